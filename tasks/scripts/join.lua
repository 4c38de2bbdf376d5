-- A getResponse answer with results: kept, and the job completed, partial, or still waiting.
-- ARGV: job id, attempt, poll sequence, poll sent ms, wait ms, error signature,
--       then the answer (prelude_results, answer_from)
-- returns: 'ended', 'kept' (not whole yet) or 'stale'
local job = fetch(ARGV[1])
if not job or stale(job, ARGV[3]) then return 'stale' end
local t, n = now(), tonumber(ARGV[2])
local answer = answer_from(ARGV, 7)
local told = answer.final == '1' and append or note -- what is final is not told again and again
told(job.id, t, 'poll', answer.ok .. ' of ' .. wanted(job, n))
if joined(job, n, t, answer) then return 'ended' end
if ARGV[2] == job.a then
  if ARGV[6] ~= '' then sight(job, ARGV[6], t) else forget(job, 'x', 'xc', 'xt') end
  found(job, n, t, 'by poll')
end
local wait = tonumber(ARGV[5])
if select(2, weigh(job, n)) > 0 then wait = math.min(wait, PROMPT_MS) end -- a callback is ahead of it
schedule(job, n, t, tonumber(ARGV[4]), t + wait)
return 'kept'
