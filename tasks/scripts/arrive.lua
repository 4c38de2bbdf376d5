-- A worker begins: what the store loses from here on may be a submission of it.
-- ARGV: worker
-- returns: whether the store was closed, as leave.lua left it (1 or 0)
redis.call('ZADD', KEY.workers(), now(), ARGV[1])
return redis.call('HDEL', KEY.meta(), 'closed')
