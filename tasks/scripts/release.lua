-- Give up a lease that is still ours.
-- ARGV: key, holder
-- returns: 1, or 0 where another holds it
if redis.call('GET', ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('DEL', ARGV[1])
