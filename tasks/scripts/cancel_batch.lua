-- The user gives up all that is recorded of a batch: from now on nothing of it is claimed, and it takes
-- no rows and no retries until cancel_pass.lua has been through. Harmless where that is under way.
-- ARGV: batch id
-- returns: 1
local t, batch = now(), KEY.batch(ARGV[1])
if redis.call('HSETNX', batch, 'cancelling', 0) == 1 then
  redis.call('HDEL', batch, 'cancelled', 'gone:sent', 'gone:unsent')
  redis.call('ZADD', KEY.cancelling(), t, ARGV[1])
  redis.call('ZREM', KEY.ready(), ARGV[1])
  nudge()
end
return 1
