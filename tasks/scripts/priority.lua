-- Let a batch be served more or less often, from the next claim on: its distance from the virtual time
-- of the moment is what its last turn cost, and is reckoned anew.
-- ARGV: batch id, priority
-- returns: the priority it had
local batch = KEY.batch(ARGV[1])
local had = tonumber(redis.call('HGET', batch, 'priority') or '1')
local current = tonumber(redis.call('HGET', KEY.meta(), 'vt') or '0')
local function anew(vt)
  return string.format('%.17g', current + math.max(0, vt - current) * had / tonumber(ARGV[2]))
end
redis.call('HSET', batch, 'priority', ARGV[2])
local turn = redis.call('ZSCORE', KEY.ready(), ARGV[1])
if turn then redis.call('ZADD', KEY.ready(), anew(tonumber(turn)), ARGV[1]) end
local own = redis.call('HGET', batch, 'vt')
if own then redis.call('HSET', batch, 'vt', anew(tonumber(own))) end
return had
