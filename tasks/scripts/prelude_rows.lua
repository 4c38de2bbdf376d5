-- Stands after prelude_results.lua: recording the rows of a manifest.

-- Record a row as a queued job. Whoever calls it counts and lists it, and lets it be claimed or ends it.
local function record(batch, t, id, row, expected, digest, reservation, input)
  redis.call('HSET', KEY.job(id), 'v', 1, 's', 'queued', 'b', batch, 'r', row, 'n', expected,
    'd', digest, 'rv', reservation, 'a', 1, 'q', t)
  redis.call('SET', KEY.input(id), input)
end

-- Count and list the rows that `record` took; at least one.
local function listed(batch, ids)
  local added = #ids
  redis.call('RPUSH', KEY.rows(batch), unpack(ids))
  redis.call('HDEL', KEY.batch(batch), 'done', 'cancelled')
  redis.call('HINCRBY', KEY.batch(batch), 'total', added)
  redis.call('HINCRBY', KEY.batch(batch), 'open', added)
  redis.call('HINCRBY', KEY.batch(batch), 'n:queued', added)
  redis.call('HINCRBY', KEY.counts(), 'n:queued', added)
end

-- Create a batch of no rows.
local function create(batch, name, priority, t)
  redis.call('HSET', KEY.names(), name, batch)
  redis.call('ZADD', KEY.batches(), t, batch)
  redis.call('HSET', KEY.batch(batch), 'name', name, 'created', t, 'priority', priority,
    'total', 0, 'open', 0, 'cost', 0, 'reserved', 0)
end

-- Why a batch takes no rows: 'cancelling', 'cancelled' or 'sealed'; nil where it does.
local function closed(batch)
  local known = redis.call('HMGET', KEY.batch(batch), 'cancelling', 'cancelled', 'sealed')
  if known[1] then return 'cancelling' end
  if known[3] == '0' then return nil end
  return known[2] and 'cancelled' or 'sealed'
end
