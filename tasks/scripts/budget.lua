-- Limit what a batch may cost. A batch that the limit stopped is looked at again.
-- ARGV: batch id, most nano-dollars, the most that the input of one task costs in nano-dollars
--       ('': it is learned)
-- returns: 1
local batch = KEY.batch(ARGV[1])
redis.call('HSET', batch, 'cap', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', batch, 'bound', ARGV[3], 'given', 1) end
affords_again(ARGV[1])
return 1
