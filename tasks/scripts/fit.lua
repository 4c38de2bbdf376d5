-- Fit the window to what one POST showed. No limit is published (contract §7), so it is found: up
-- while every free slot is filled and taken, faster each time; down to what the provider holds when
-- it refuses one for capacity. After a refusal COST times as many must be taken before the window
-- grows again, at first by one: so at most one in COST is refused where the capacity stands still.
-- Where that takes longer than PATIENCE, it grows all the same: a refusal costs no more than a call.
-- ARGV: taken by the provider, refused for capacity, without a clear answer, '1' where the claim
--       filled every free slot, largest window
-- returns: the window
local COST = 100
local RECENT = 5 -- windows full of taken tasks after which a larger capacity is looked for at last
local PATIENCE = 20000 -- ms
local meta, t = KEY.meta(), now()
local taken, refused, lost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HMGET', meta, 'window', 'step', 'owed', 'misses', 'refused')
local limit, step = tonumber(known[1] or '1'), tonumber(known[2] or '0')
local owed, misses = tonumber(known[3] or '0'), tonumber(known[4] or '0')
if t >= tonumber(known[5] or '0') + PATIENCE then owed = 0 end
if refused > 0 then
  -- Refused alone again and again: the capacity is far below what still runs. Wait for more to end.
  misses = taken > 0 and 0 or misses + 1
  local held = redis.call('ZCARD', KEY.slots())
  local spared = misses > 1 and math.min(2 ^ (misses - 1) - 1, math.floor(held / 8)) or 0
  limit = math.max(1, math.min(limit, held - spared))
  step, owed = 1, math.min(COST * refused, math.max(COST, RECENT * limit))
  redis.call('HSET', meta, 'refused', t)
  if held == 0 then owed = 0 end -- nothing of ours was there: what it holds at most is not known
elseif lost > 0 then -- an overloaded gateway looks like this; what is lost holds its slots meanwhile
  step = 1
elseif taken > 0 then
  misses, owed = 0, math.max(0, owed - taken)
  if ARGV[4] == '1' and owed == 0 then
    step = step > 0 and step or math.max(1, math.floor(limit / 2))
    limit = math.min(tonumber(ARGV[5]), limit + step)
    step = math.min(2 * step, math.max(1, math.floor(limit / 2)))
    nudge()
  end
end
redis.call('HSET', meta, 'window', limit, 'step', step, 'owed', owed, 'misses', misses)
return limit
