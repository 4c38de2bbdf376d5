-- Add what a process has counted since it last told, and say that the process lives.
-- ARGV: worker's name ('' for a door), ms after which a worker that says nothing is taken for dead,
--       then per counter: field, by
-- returns: to a worker the names of those that live, to a door nothing
local MOST = 512 -- counters kept; new error codes beyond it are counted as 'other'
local t = now()
if ARGV[1] ~= '' then
  redis.call('ZADD', KEY.workers(), t, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEY.workers(), '-inf', t - tonumber(ARGV[2]))
end
for i = 3, #ARGV, 2 do
  local field, key = ARGV[i], KEY.measured()
  local is_code = string.sub(field, 1, 6) == 'error:'
  if is_code and redis.call('HLEN', key) >= MOST and redis.call('HEXISTS', key, field) == 0 then
    field = 'error:other'
  end
  redis.call('HINCRBY', key, field, ARGV[i + 1])
end
return ARGV[1] ~= '' and redis.call('ZRANGE', KEY.workers(), 0, -1) or {}
