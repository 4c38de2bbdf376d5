-- Give up the next hundred jobs of a batch that is being cancelled; after its last the batch is
-- cancelled, and sealed: a submission that was cut off is not completed by itself.
-- ARGV: batch id, or '' for the one that waits longest; least slot bound ms
-- returns: batch id ('' where none is being cancelled), jobs looked at so far, jobs in it, given up
--          with a task that may be at the provider, given up without, 1 where that was all
local t, name = now(), ARGV[1]
if name == '' then name = redis.call('ZRANGE', KEY.cancelling(), 0, 0)[1] or '' end
local batch = KEY.batch(name)
local at = tonumber(redis.call('HGET', batch, 'cancelling'))
if at then
  local ids = redis.call('LRANGE', KEY.rows(name), at, at + 99)
  for _, id in ipairs(ids) do
    local told = 'ended'
    if not ENDED[redis.call('HGET', KEY.job(id), 's') or 'failed'] then
      told = cancel(fetch(id), t, tonumber(ARGV[2]))
    end
    if told ~= 'ended' then redis.call('HINCRBY', batch, 'gone:' .. told, 1) end
  end
  at = redis.call('HINCRBY', batch, 'cancelling', #ids)
  if #ids < 100 then
    redis.call('HDEL', batch, 'cancelling')
    redis.call('HSET', batch, 'cancelled', t, 'sealed', 1)
    redis.call('HSETNX', batch, 'done', t)
    redis.call('UNLINK', KEY.queue(name)) -- all that waited there has ended
    redis.call('ZREM', KEY.cancelling(), name)
  end
end
local gone = redis.call('HMGET', batch, 'gone:sent', 'gone:unsent', 'total')
local over = redis.call('HEXISTS', batch, 'cancelling') == 0
return {name, at or 0, tonumber(gone[3] or 0), tonumber(gone[1] or 0), tonumber(gone[2] or 0),
  over and 1 or 0}
