-- Take the tasks that are due for a poll and hold them back from other pollers for a while.
-- ARGV: most tasks, hold ms
-- returns: now, poll sequence, then per task: taskUUID, job id, attempt, record (flat hash)
local t, taken, held = now(), {}, {}
local sequence, till = redis.call('HINCRBY', KEY.meta(), 'polls', 1), t + tonumber(ARGV[2])
for _, uuid in ipairs(redis.call('ZRANGE', KEY.due(), '-inf', t, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  local job, n = fetch(uuid), 1 -- a job's first taskUUID is its id
  if not job then
    local id, attempt = string.match(redis.call('GET', KEY.task(uuid)) or '', '^(.*):(%d+)$')
    job, n = id and fetch(id), tonumber(attempt)
  end
  if not job or forsaken(job, uuid, t) then
    redis.call('ZREM', KEY.due(), uuid) -- nobody waits for it, and its bound has passed
  else
    held[#held + 1], held[#held + 2] = till, uuid
    taken[#taken + 1] = {uuid, job.id, n, job.flat}
  end
end
if held[1] then redis.call('ZADD', KEY.due(), unpack(held)) end
return {t, sequence, unpack(taken)}
