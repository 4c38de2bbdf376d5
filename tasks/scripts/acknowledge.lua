-- The provider has the task: submitting -> processing.
-- ARGV: job id, fencing token, first poll ms, detail
-- returns: 'moved' or 'stale'
local job = fetch(ARGV[1])
if not held(job, ARGV[2]) then return 'stale' end
local t = now()
redis.call('ZREM', KEY.leases(), job.id)
forget(job, 'em', 'l', 'ls')
took = true
move(job, 'acknowledge', t, ARGV[4])
redis.call('ZADD', KEY.due(), 'LT', t + tonumber(ARGV[3]), task_uuid(job, tonumber(job.a)))
nudge()
return 'moved'
