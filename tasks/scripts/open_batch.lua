-- Find a batch by name, or create it under the given id; either way it can take rows again.
-- ARGV: name, id, priority
-- returns: the id it has
local t, id = now(), redis.call('HGET', KEY.names(), ARGV[1])
if not id then
  id = ARGV[2]
  redis.call('HSET', KEY.names(), ARGV[1], id)
  redis.call('ZADD', KEY.batches(), t, id)
  redis.call('HSET', KEY.batch(id), 'name', ARGV[1], 'created', t, 'priority', ARGV[3],
    'total', 0, 'open', 0, 'cost', 0, 'reserved', 0)
end
redis.call('HSET', KEY.batch(id), 'sealed', 0)
redis.call('HDEL', KEY.batch(id), 'done')
return id
