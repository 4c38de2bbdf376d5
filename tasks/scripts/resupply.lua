-- Files of jobs that ended for want of them were uploaded afresh: replace their stored requests, so that
-- retry.lua, which comes next, sends the new ones. Failed or partial, and stays so.
-- ARGV: per job: id, attempt, content digest, input blob
-- returns: how many it replaced; others are not to be retried, or not at this attempt any more
local t, replaced = now(), 0
for i = 1, #ARGV, 4 do
  local job = fetch(ARGV[i])
  if job and ENDED[job.s] and MOVES.retry[job.s] and job.a == ARGV[i + 1] then
    set(job, 'd', ARGV[i + 2])
    redis.call('SET', KEY.input(job.id), ARGV[i + 3])
    note(job.id, t, 'resupply', '')
    replaced = replaced + 1
  end
end
return replaced
