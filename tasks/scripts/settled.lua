-- The effects of these endings are done: acknowledge and remove them in one step.
-- ARGV: group, entry ids
-- returns: number removed
local group = table.remove(ARGV, 1)
redis.call('XACK', KEY.ends(), group, unpack(ARGV))
return redis.call('XDEL', KEY.ends(), unpack(ARGV))
