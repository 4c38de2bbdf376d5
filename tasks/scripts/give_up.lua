-- Nothing more is waited for, though the task may be there: a poll sent after the deadline still did not
-- end it -> expired; or it is not found, and POST after POST named it without a clear answer -> failed.
-- Or partial with the results that are here, or that were before (prelude_moves, give_up).
-- The task may be running yet: it keeps its slot until it was silent for long, and is polled until its
-- bound has passed, which is moved where less time is left than for that (a computer that slept).
-- ARGV: job id, attempt, poll sequence, next poll ms, event ('expire' or 'fail'), code, failure (JSON),
--       detail, least slot bound ms
-- returns: 'moved', 'ended' (all results were here after all) or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) or ARGV[2] ~= job.a or not MOVES[ARGV[5]][job.s] then return 'stale' end
local t, uuid = now(), task_uuid(job, tonumber(job.a))
if not concluded(job, tonumber(job.a), t, true) then
  redis.call('SET', KEY.failure(job.id), ARGV[7])
  set(job, 'ec', ARGV[6])
  give_up(job, ARGV[5], t, ARGV[8])
elseif job.s ~= 'partial' then
  return 'ended'
end
set(job, 'cu', t + tonumber(ARGV[9])) -- looked for so long, whether or not it holds a slot
forget(job, 'em')
redis.call('ZADD', KEY.due(), t + tonumber(ARGV[4]), uuid)
redis.call('ZADD', KEY.slots(), 'GT', t + tonumber(ARGV[9]), uuid)
return 'moved'
