-- Keep a lease that is still ours.
-- ARGV: key, holder, ms
-- returns: 1, or 0 where another holds it
if redis.call('GET', ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', ARGV[1], ARGV[3])
