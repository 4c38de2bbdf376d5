-- The user has parked jobs sent again after all: resolving -> queued, same taskUUID.
-- ARGV: resends they start from, job ids
-- returns: per job 'moved', 'cancelling' (its batch is) or 'stale' (not parked, or a callback told of it)
local t, told = now(), {}
for i = 2, #ARGV do
  local job = fetch(ARGV[i])
  local parked = job and MOVES.unpark[job.s] and string.find(job.fl or '', 'parked', 1, true)
  if not parked or job.ce then
    told[#told + 1] = 'stale'
  elseif redis.call('HEXISTS', KEY.batch(job.b), 'cancelling') == 1 then
    told[#told + 1] = 'cancelling'
  else
    redis.call('ZREM', KEY.due(), task_uuid(job, tonumber(job.a)))
    set(job, 'rs', ARGV[1])
    forget(job, 'em', 'l', 'ls')
    forget(job, 'po')
    unflag(job, 'parked')
    move(job, 'unpark', t, 'by the user')
    requeue(job, t, t)
    told[#told + 1] = 'moved'
  end
end
return told
