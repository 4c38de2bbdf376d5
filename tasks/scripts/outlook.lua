-- What there is to do now, for the tick thread. Changes nothing.
-- ARGV: none
-- returns: now, claimable (jobs that could be claimed at once), window, due tasks, entries of the outbox
--          and of what Flower has not been told of (each of one script run, or of one ending that somebody
--          waits for), next due poll, next time for the sweep (0: none)
local t = now()
local claimable, window = 0, tonumber(redis.call('HGET', KEY.meta(), 'window') or '0')
local stops = redis.call('ZSCORE', KEY.paused(), '*') or redis.call('HGET', KEY.meta(), 'held')
if not stops and redis.call('ZCARD', KEY.ready()) > 0 then
  claimable = window - redis.call('ZCARD', KEY.slots())
end
local function first(key)
  return tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or '0')
end
local sweep = redis.call('ZCARD', KEY.cancelling()) > 0 and t or 0
for _, key in ipairs({KEY.later(), KEY.leases(), KEY.paused(), KEY.slots()}) do
  local at = first(key)
  if at > 0 and (sweep == 0 or at < sweep) then sweep = at end
end
return {t, math.max(0, claimable), window, redis.call('ZCOUNT', KEY.due(), '-inf', t),
  redis.call('XLEN', KEY.ends()), redis.call('XLEN', KEY.shown()), first(KEY.due()), sweep}
