-- Claim nothing more from a batch, or with * from any, until the time of the next probe.
-- ARGV: batch id or *, reason, probe after ms
-- returns: 1
redis.call('ZADD', KEY.paused(), 'GT', now() + tonumber(ARGV[3]), ARGV[1])
if ARGV[1] == '*' then
  redis.call('HSET', KEY.meta(), 'paused', ARGV[2])
else
  redis.call('HSET', KEY.batch(ARGV[1]), 'paused', ARGV[2])
  local vt = redis.call('ZSCORE', KEY.ready(), ARGV[1])
  if vt then redis.call('HSET', KEY.batch(ARGV[1]), 'vt', vt) end
  redis.call('ZREM', KEY.ready(), ARGV[1])
end
return 1
