-- A poll decided nothing: note what it said and when to ask again; running: resolving -> processing.
-- ARGV: job id, attempt, poll sequence, poll sent ms, wait ms, what ('running', 'empty', 'error'),
--       error signature
-- returns: 'kept' or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) then return 'stale' end
local t, n, what = now(), tonumber(ARGV[2]), ARGV[6]
note(job.id, t, 'poll', what)
if ARGV[2] == job.a then
  if what == 'empty' then
    set(job, 'em', tonumber(job.em or '0') + 1)
  elseif what == 'error' then
    set(job, 'xc', job.x == ARGV[7] and tonumber(job.xc) + 1 or 1, 'x', ARGV[7])
  else
    forget(job, 'em', 'l', 'x', 'xc')
    if move(job, 'found', t, 'by poll') then redis.call('ZREM', KEY.leases(), job.id) end
  end
end
schedule(job, n, t, tonumber(ARGV[4]), t + tonumber(ARGV[5]))
return 'kept'
