-- Drop one body that was kept because it could not be understood.
-- ARGV: id it was kept under, digest of the body
-- returns: 1 where it was there
local key = KEY.quarantine(ARGV[1])
local there = redis.call('HDEL', key, ARGV[2])
if redis.call('EXISTS', key) == 0 then redis.call('ZREM', KEY.quarantined(), ARGV[1]) end
return there
