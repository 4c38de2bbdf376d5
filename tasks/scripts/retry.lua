-- The user asks again for what jobs lack: failed, partial, expired, cancelled -> queued, with the next
-- taskUUID unless this one was never sent. What came of the attempts before stays the job's, and only
-- the rest is asked for; where all is there, the job completes and nothing is bought.
-- ARGV: per job: id, attempt, next taskUUID
-- returns: per job 'moved', 'completed', 'cancelling' (its batch is) or 'stale' (not to be retried, or
--          not this attempt any more)
local t, told = now(), {}

local function retry(job, uuid)
  local base, have = kept(job)
  local n = tonumber(job.a)
  if base then set(job, 'w', base) end
  forget(job, 'ec')
  if have >= tonumber(job.n) then
    move(job, 'retry', t, 'all of it is here')
    move(job, 'complete', t, 'attempt ' .. base)
    return 'completed'
  end
  if job['u' .. n] or job['e' .. n] then
    next_attempt(job, uuid)
    forget(job, 'k', 'kp', 'ke') -- a new task: its callback goes where callbacks go now
    n = n + 1
  elseif told_of(job, n) then
    set(job, 'se', 1) -- told of, though we know of no POST: it is looked for, not sent
  end
  redis.call('ZREM', KEY.slots(), task_uuid(job, n)) -- it waits; the claim takes one
  if base then beside(job, n, base, tonumber(job.n) - have) end
  move(job, 'retry', t, 'attempt ' .. n)
  redis.call('RPUSH', KEY.queue(job.b), job.id)
  ready(job.b)
  nudge()
  return 'moved'
end

for i = 1, #ARGV, 3 do
  local job = fetch(ARGV[i])
  if not job or not MOVES.retry[job.s] or job.a ~= ARGV[i + 1] then
    told[#told + 1] = 'stale'
  elseif redis.call('HEXISTS', KEY.batch(job.b), 'cancelling') == 1 then
    told[#told + 1] = 'cancelling'
  else
    told[#told + 1] = retry(job, ARGV[i + 2])
  end
end
return told
