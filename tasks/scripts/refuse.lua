-- Not bought, for now: submitting -> queued, the same taskUUID again after `wait` ms.
-- ARGV: job id, fencing token, wait ms, code ('' where it was put back and no POST of it sent), detail
-- returns: 'moved' or 'stale'
local job = fetch(ARGV[1])
local is_refused = ARGV[4] ~= ''
if not held(job, ARGV[2]) then
  if is_refused then unbought(job, ARGV[2]) end
  return 'stale'
end
local t, uuid = now(), task_uuid(job, tonumber(job.a))
redis.call('ZREM', KEY.leases(), job.id)
redis.call('ZREM', KEY.slots(), uuid)
local count = is_refused and 'rf' or 'pb'
set(job, 'ec', ARGV[4], count, tonumber(job[count] or '0') + 1)
if is_refused then refused_with(job, ARGV[4]) end
if not (job.rf or job.rs) then forget(job, 'u' .. job.a) end -- nothing of the attempt was ever sent
if is_refused and not job.rs then -- nothing was sent before: what callbacks told of it was this refusal
  for _, digest in ipairs(digests(job, 'x', tonumber(job.a))) do drop(job, 'x', tonumber(job.a), digest) end
  forget(job, 'ce', 'em', 'l')
end
if job.rs and job.ce then set(job, 'se', 1) end -- told of meanwhile: it is looked for, not sent
move(job, 'refuse', t, ARGV[5])
requeue(job, t, t + tonumber(ARGV[3]))
return 'moved'
