-- A worker has ended in order: each answer that it waited for is applied. The last one closes the store,
-- until the next begins: what the store loses meanwhile was no submission.
-- ARGV: worker
-- returns: whether it was the last (1 or 0)
redis.call('ZREM', KEY.workers(), ARGV[1])
if redis.call('ZCARD', KEY.workers()) > 0 then return 0 end
redis.call('HSET', KEY.meta(), 'closed', 1)
return 1
