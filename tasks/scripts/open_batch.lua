-- Find a batch by name, or create it under the given id; either way it can take rows again.
-- ARGV: name, id, priority, whether the batch is known from elsewhere: a store that has none of it has
--       lost it, and its rows may have been bought
-- returns: the id it has
local t, id = now(), redis.call('HGET', KEY.names(), ARGV[1])
if not id then
  id = ARGV[2]
  create(id, ARGV[1], ARGV[3], t)
  if ARGV[4] == '1' then redis.call('HSET', KEY.batch(id), 'doubt', 1) end
end
redis.call('HSET', KEY.batch(id), 'sealed', 0)
return id
