-- The attempt has failed and no other will be made: any state at the provider -> failed, or partial
-- where the attempt was for what a partial job lacked.
-- ARGV: job id, attempt, poll sequence, code, failure (JSON), detail,
--       then the answer (prelude_results, answer_from)
-- returns: 'moved', 'ended' (results were here after all) or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) then return 'stale' end
local t, n = now(), tonumber(ARGV[2])
if is_resent(job, n, t) then return 'stale' end
if joined(job, n, t, answer_from(ARGV, 7)) or not MOVES.fail[job.s] then return 'ended' end
redis.call('SET', KEY.failure(job.id), ARGV[5])
set(job, 'ec', ARGV[4])
give_up(job, 'fail', t, ARGV[6])
return 'moved'
