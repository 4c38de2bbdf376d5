-- The last row of a batch is recorded: from now on it can be finished. One that was, and to which nothing
-- was added, ended when it did.
-- ARGV: batch id
-- returns: number of jobs in it
local batch = KEY.batch(ARGV[1])
redis.call('HSET', batch, 'sealed', 1)
if redis.call('HGET', batch, 'open') == '0' then redis.call('HSETNX', batch, 'done', now()) end
return tonumber(redis.call('HGET', batch, 'total'))
