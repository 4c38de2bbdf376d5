-- The user pauses a batch, or with * all: nothing is claimed from it until resume.lua. Unlike a pause
-- that the provider caused (pause.lua) it has no end of its own.
-- ARGV: batch id or *, what to show
-- returns: 1
if ARGV[1] == '*' then
  redis.call('HSET', KEY.meta(), 'held', ARGV[2])
else
  redis.call('HSET', KEY.batch(ARGV[1]), 'held', ARGV[2])
  local vt = redis.call('ZSCORE', KEY.ready(), ARGV[1])
  if vt then redis.call('HSET', KEY.batch(ARGV[1]), 'vt', vt) end
  redis.call('ZREM', KEY.ready(), ARGV[1])
end
return 1
