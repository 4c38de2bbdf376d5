-- The effects of these entries are done: acknowledge and remove them in one step.
-- ARGV: key of the stream, group, entry ids
-- returns: number removed
local stream, group = table.remove(ARGV, 1), table.remove(ARGV, 1)
redis.call('XACK', stream, group, unpack(ARGV))
return redis.call('XDEL', stream, unpack(ARGV))
