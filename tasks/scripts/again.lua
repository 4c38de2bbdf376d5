-- The attempt has failed and another may succeed: any state at the provider -> queued, next taskUUID.
-- ARGV: job id, attempt, poll sequence, next taskUUID, wait ms, code, failure (JSON), detail,
--       then the answer (prelude_results, answer_from)
-- returns: 'moved', 'ended' (results were here after all) or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) then return 'stale' end
local t, n = now(), tonumber(ARGV[2])
if is_resent(job, n, t) then return 'stale' end
if joined(job, n, t, answer_from(ARGV, 9)) or not MOVES.again[job.s] then return 'ended' end
redis.call('ZREM', KEY.leases(), job.id)
redis.call('SET', KEY.failure(job.id), ARGV[7])
set(job, 'ec', ARGV[6])
next_attempt(job, ARGV[4])
if job['h' .. n] then beside(job, n + 1, job['h' .. n], job['n' .. n]) end
move(job, 'again', t, ARGV[8])
requeue(job, t, t + tonumber(ARGV[5]))
return 'moved'
