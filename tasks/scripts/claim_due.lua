-- Take the tasks that are due for a poll and hold them back from other pollers for a while.
-- ARGV: most tasks, hold ms
-- returns: now, then per task: taskUUID, job id, attempt, poll sequence, record (flat hash)
local t, taken = now(), {}
for _, uuid in ipairs(redis.call('ZRANGE', KEY.due(), '-inf', t, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  local id, n = uuid, 1
  local known = redis.call('GET', KEY.task(uuid))
  if known then
    id, n = string.match(known, '^(.*):(%d+)$')
  end
  local job = fetch(id)
  if not job or forsaken(job, uuid, t) then
    redis.call('ZREM', KEY.due(), uuid) -- nobody waits for it, and its bound has passed
  else
    redis.call('ZADD', KEY.due(), t + tonumber(ARGV[2]), uuid)
    local seq = redis.call('HINCRBY', KEY.job(id), 'ps', 1)
    taken[#taken + 1] = {uuid, id, tonumber(n), seq, job.flat}
  end
end
return {t, unpack(taken)}
