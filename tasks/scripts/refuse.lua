-- Not bought, for now: submitting -> queued, the same taskUUID again after `wait` ms.
-- ARGV: job id, fencing token, wait ms, code, detail
-- returns: 'moved' or 'stale'
local job = fetch(ARGV[1])
if not held(job, ARGV[2]) then
  unbought(job, ARGV[2])
  return 'stale'
end
local t, uuid = now(), task_uuid(job, tonumber(job.a))
redis.call('ZREM', KEY.leases(), job.id)
redis.call('ZREM', KEY.slots(), uuid)
set(job, 'ec', ARGV[4], 'rf', tonumber(job.rf or '0') + 1)
if not job.rs then -- nothing was sent before: what callbacks told of it was this refusal
  for _, digest in ipairs(digests(job, 'x', tonumber(job.a))) do drop(job, 'x', tonumber(job.a), digest) end
  forget(job, 'ce', 'em', 'l')
end
move(job, 'refuse', t, ARGV[5])
requeue(job, t, t + tonumber(ARGV[3]))
return 'moved'
