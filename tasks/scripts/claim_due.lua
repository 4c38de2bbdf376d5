-- Take the tasks that are due for a poll and hold them back from other pollers for a while.
-- ARGV: most tasks, hold ms
-- returns: now, poll sequence, then per task: taskUUID, job id, attempt, since when it is due in ms,
--          record (flat hash)
local t, taken, held = now(), {}, {}
doubted_until(t)
local sequence, till = redis.call('HINCRBY', KEY.meta(), 'polls', 1), t + tonumber(ARGV[2])
local due = redis.call('ZRANGE', KEY.due(), '-inf', t, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
for i = 1, #due, 2 do
  local uuid = due[i]
  local job, n = fetch(uuid), 1 -- a job's first taskUUID is its id
  if not job then
    local id, attempt = string.match(redis.call('GET', KEY.task(uuid)) or '', '^(.*):(%d+)$')
    job, n = id and fetch(id), tonumber(attempt)
  end
  if not job then
    redis.call('ZREM', KEY.due(), uuid) -- somebody deleted it
  else -- whatever time has passed: it is over once a poll was answered since
    held[#held + 1], held[#held + 2] = till, uuid
    taken[#taken + 1] = {uuid, job.id, n, t - tonumber(due[i + 1]), job.flat}
  end
end
if held[1] then redis.call('ZADD', KEY.due(), unpack(held)) end
return {t, sequence, unpack(taken)}
