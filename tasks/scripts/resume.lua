-- End every pause of a batch, or with * the pause of all: the user's and the provider's.
-- ARGV: batch id or *
-- returns: 1 where there was one
local hash = ARGV[1] == '*' and KEY.meta() or KEY.batch(ARGV[1])
local ended = redis.call('HDEL', hash, 'held', 'paused') + redis.call('ZREM', KEY.paused(), ARGV[1])
if ARGV[1] ~= '*' and redis.call('EXISTS', KEY.queue(ARGV[1])) == 1 then ready(ARGV[1]) end
nudge()
return ended > 0 and 1 or 0
