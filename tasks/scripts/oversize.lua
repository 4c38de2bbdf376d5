-- A callback with a good token was too large to keep: note it, and let the job be polled.
-- ARGV: job id
-- returns: 1, or 0 where the job is not known or has ended
local job = fetch(ARGV[1])
if not job or ENDED[job.s] or job.s == 'queued' then return 0 end
local t = now()
note(job.id, t, 'callback', 'too large')
prompt(job, tonumber(job.a), t)
return 1
