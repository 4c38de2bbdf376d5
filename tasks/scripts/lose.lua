-- No clear answer to the POST: submitting -> resolving, due for a poll at once.
-- ARGV: job id, fencing token, code ('' where no error named the task), failure (JSON or ''), detail
-- returns: 'moved' or 'stale'
local job = fetch(ARGV[1])
if not held(job, ARGV[2]) then return 'stale' end
local t = now()
redis.call('ZREM', KEY.leases(), job.id)
set(job, 'l', t, 'ls', job.ls or t, 'em', 0)
set(job, 'ec', ARGV[3])
if ARGV[4] ~= '' then redis.call('SET', KEY.failure(job.id), ARGV[4]) end
move(job, 'lose', t, ARGV[5])
redis.call('ZADD', KEY.due(), 'LT', t, task_uuid(job, tonumber(job.a)))
nudge()
return 'moved'
