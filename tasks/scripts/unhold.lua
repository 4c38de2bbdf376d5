-- A poll was not answered: those that it took, and of which nothing was decided since, are due sooner.
-- ARGV: until when they are held (ms), due in ms, taskUUIDs
-- returns: how many
local at, held = now() + tonumber(ARGV[2]), 0
for i = 3, #ARGV do
  if redis.call('ZSCORE', KEY.due(), ARGV[i]) == ARGV[1] then
    redis.call('ZADD', KEY.due(), 'LT', at, ARGV[i])
    held = held + 1
  end
end
return held
