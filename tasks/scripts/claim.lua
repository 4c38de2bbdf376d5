-- Take queued jobs for the free slots, fairly between batches: queued -> submitting.
-- What the POST is made of and may change later (callback place, key, expiry) is frozen here.
-- ARGV: most jobs, lease ms, slot bound ms, callback place, key id, token lifetime s,
--       most age ms of the oldest unsettled end
-- returns: now, fencing token, free slots left, then per job: id, attempt, place, kid, expiry, taskUUID, refusals, batch
local most, lease, bound = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local t = now()
if redis.call('ZSCORE', KEY.paused(), '*') then return {t, '', 0} end
local oldest = redis.call('XRANGE', KEY.ends(), '-', '+', 'COUNT', 1)[1]
if oldest and t - tonumber(string.match(oldest[1], '^%d+')) > tonumber(ARGV[7]) then
  return {t, '', 0} -- effects have fallen behind: do not make more
end
local free = tonumber(redis.call('HGET', KEY.meta(), 'window')) - redis.call('ZCARD', KEY.slots())
local token, claimed, looked = nil, {}, 0
while #claimed < math.min(most, free) and looked < 4 * most do
  looked = looked + 1
  local first = redis.call('ZRANGE', KEY.ready(), 0, 0, 'WITHSCORES')
  local batch, vt = first[1], tonumber(first[2])
  if not batch then break end
  local id = redis.call('LPOP', KEY.queue(batch))
  if not id then
    redis.call('HSET', KEY.batch(batch), 'vt', string.format('%.17g', vt))
    redis.call('ZREM', KEY.ready(), batch)
  else
    local job = fetch(id)
    if job and job.s == 'queued' then -- it may have been completed while it waited
      token = token or tostring(redis.call('HINCRBY', KEY.meta(), 'fence', 1))
      local n = tonumber(job.a)
      set(job, 't', token)
      if not job.k then
        set(job, 'k', ARGV[5], 'kp', ARGV[4], 'ke', math.floor(t / 1000) + tonumber(ARGV[6]))
      end
      if not job['u' .. n] then set(job, 'u' .. n, t) end
      redis.call('ZADD', KEY.slots(), t + bound, task_uuid(job, n))
      redis.call('ZADD', KEY.leases(), t + lease, id)
      move(job, 'claim', t, 'attempt ' .. n)
      claimed[#claimed + 1] = {id, n, job.kp, job.k, job.ke, task_uuid(job, n), job.rf or '0', batch}
      local priority = tonumber(redis.call('HGET', KEY.batch(batch), 'priority') or '1')
      redis.call('ZINCRBY', KEY.ready(), 1 / priority, batch)
      redis.call('HSET', KEY.meta(), 'vt', string.format('%.17g', vt))
    end
  end
end
return {t, token or '', free - #claimed, unpack(claimed)}
