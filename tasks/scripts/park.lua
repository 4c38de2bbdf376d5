-- Neither found nor safely sent again: stays resolving, flagged, polled rarely, its slot free.
-- ARGV: job id, attempt, poll sequence, next poll ms, failure (JSON), detail
-- returns: 'moved' or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) or ARGV[2] ~= job.a or not MOVES.park[job.s] then return 'stale' end
local t, uuid = now(), task_uuid(job, tonumber(job.a))
flag(job, 'parked')
redis.call('SET', KEY.failure(job.id), ARGV[5])
redis.call('ZREM', KEY.slots(), uuid)
redis.call('ZADD', KEY.due(), t + tonumber(ARGV[4]), uuid)
move(job, 'park', t, ARGV[6])
nudge()
return 'moved'
