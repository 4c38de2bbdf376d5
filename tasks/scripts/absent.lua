-- Polls answered, and stayed empty for longer than a task takes: resolving -> queued, same taskUUID.
-- ARGV: job id, attempt, poll sequence, detail
-- returns: 'moved' or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) or ARGV[2] ~= job.a or not MOVES.absent[job.s] then return 'stale' end
if job.ce then return 'stale' end -- a callback told of it after the poll was sent: it is there
local t, uuid = now(), task_uuid(job, tonumber(job.a))
redis.call('ZREM', KEY.slots(), uuid)
redis.call('ZREM', KEY.due(), uuid)
set(job, 'rs', tonumber(job.rs or '0') + 1)
-- Held against the task only where the provider took another since: an outage is no fault of it.
if tonumber(redis.call('HGET', KEY.meta(), 'taken') or '0') >= tonumber(job['u' .. job.a] or '0') then
  set(job, 'po', tonumber(job.po or '0') + 1)
end
forget(job, 'em', 'l')
move(job, 'absent', t, ARGV[4])
requeue(job, t, t)
return 'moved'
