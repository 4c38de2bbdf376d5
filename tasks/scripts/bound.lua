-- Learn what the input of one task of a batch costs at most, where the user gave no bound.
-- ARGV: batch id, nano-dollars
-- returns: 1 where the bound rose, else 0
local batch = KEY.batch(ARGV[1])
local known = redis.call('HMGET', batch, 'cap', 'given', 'bound')
if not known[1] or known[2] or tonumber(known[3] or '-1') >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', batch, 'bound', ARGV[2])
affords_again(ARGV[1])
return 1
