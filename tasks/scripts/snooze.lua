-- A poll decided nothing: note what it said and when to ask again; running: resolving -> processing.
-- ARGV: job id, attempt, poll sequence, poll sent ms, wait ms, what ('running', 'empty', 'error', 'absent':
--       empty for so long that the task, given up by the user, needs no slot any more),
--       error signature
-- returns: 'kept' or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) then return 'stale' end
local t, n, what = now(), tonumber(ARGV[2]), ARGV[6]
note(job.id, t, 'poll', what)
if ARGV[2] == job.a then
  if what == 'empty' or what == 'absent' then
    local empties = tonumber(job.em or '0')
    -- The time of silence starts with the first answer that was silent: before it nobody answered.
    if empties == 0 and job.l and job.ls then set(job, 'ls', job.ls + t - job.l) end
    if empties == 0 and (job.l or job.ce or ENDED[job.s]) then set(job, 'l', t) end
    set(job, 'em', empties + 1)
    if what == 'absent' and ENDED[job.s] and redis.call('ZREM', KEY.slots(), task_uuid(job, n)) == 1 then nudge() end
    if what == 'absent' and not job['u' .. n] then forget(job, 'cu') end -- it was not sent in a lost history
  elseif what == 'error' then
    forget(job, 'em')
    sight(job, ARGV[7], t)
  else
    forget(job, 'x', 'xc', 'xt')
    if ENDED[job.s] then forget(job, 'em', 'l') end
    found(job, n, t, 'by poll')
  end
end
if ARGV[2] ~= job.a and job['l' .. n] then -- given up, and perhaps never sent
  if what == 'absent' then
    if redis.call('ZREM', KEY.slots(), task_uuid(job, n)) == 1 then nudge() end
  elseif what ~= 'empty' then
    forget(job, 'l' .. n)
  elseif job['l' .. n] == '' then
    set(job, 'l' .. n, t)
  end
end
schedule(job, n, t, tonumber(ARGV[4]), t + tonumber(ARGV[5]))
return 'kept'
