-- The user gives jobs up: any open state -> cancelled.
-- ARGV: least slot bound ms, job ids
-- returns: per job 'sent' (a task of it may be at the provider), 'unsent', 'ended' (before) or 'unknown'
local t, told = now(), {}
for i = 2, #ARGV do
  local job = fetch(ARGV[i])
  told[#told + 1] = job and cancel(job, t, tonumber(ARGV[1])) or 'unknown'
end
return told
