-- Not bought, and never will be: submitting -> failed, or partial (prelude_moves, give_up).
-- One that was sent before, without a clear answer, may be at the provider for all that: it keeps its
-- slot until it was silent for long, and is polled until its bound has passed.
-- ARGV: job id, fencing token, code, failure (JSON), detail
-- returns: 'moved' or 'stale'
local job = fetch(ARGV[1])
if not held(job, ARGV[2]) then
  unbought(job, ARGV[2])
  return 'stale'
end
local t = now()
set(job, 'ec', ARGV[3])
redis.call('SET', KEY.failure(job.id), ARGV[4])
if job.rs then
  local bound = redis.call('ZSCORE', KEY.slots(), task_uuid(job, tonumber(job.a))) or t
  set(job, 'l', t, 'em', 0, 'cu', bound)
else
  over(job, tonumber(job.a), t, 'rejected')
end
give_up(job, 'reject', t, ARGV[5])
return 'moved'
