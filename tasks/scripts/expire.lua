-- A poll sent after the deadline still had no result: any state at the provider -> expired.
-- The task may be running yet: it keeps its slot, and is polled rarely until its bound has passed.
-- ARGV: job id, attempt, poll sequence, next poll ms, failure (JSON), detail
-- returns: 'moved' or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) or ARGV[2] ~= job.a or not MOVES.expire[job.s] then return 'stale' end
local t = now()
redis.call('SET', KEY.failure(job.id), ARGV[5])
set(job, 'ec', 'expired')
move(job, 'expire', t, ARGV[6])
redis.call('ZADD', KEY.due(), t + tonumber(ARGV[4]), task_uuid(job, tonumber(job.a)))
return 'moved'
