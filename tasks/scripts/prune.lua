-- Remove the first hundred jobs of a batch that is over; with its last, the batch.
-- What stays of a job until its callback tokens expire is a tombstone: a late callback finds that it
-- was there, and the same row is not bought again. Of a job that nobody outside has heard of nothing
-- stays, and its row can be queued again. All-time cost stays in `counts`.
-- ARGV: batch id, least seconds a tombstone stays
-- returns: jobs removed, 'gone' (no such batch), or why nothing was: 'open' (jobs are, or will be),
--          'unsettled' (an ending may be), 'running' (the provider may be working on one, or is asked for
--          what came of one, or what it cost)
local PAGE = 100
local id, t = ARGV[1], now()
local batch = KEY.batch(id)
local known = redis.call('HMGET', batch, 'name', 'sealed', 'open', 'done', 'cancelling')
if not known[1] then return 'gone' end
if known[2] ~= '1' or known[3] ~= '0' or known[5] then return 'open' end
local oldest = redis.call('XRANGE', KEY.ends(), '-', '+', 'COUNT', 1)[1]
if oldest and tonumber(string.match(oldest[1], '^%d+')) <= tonumber(known[4] or t) then return 'unsettled' end

-- May somebody come with a job's id? Its token and its task leave the store with its claim, and what is
-- told of it without one is of a history that was lost. A Celery message may be delivered once more.
local function is_known_outside(job)
  if job.cy or job.se then return true end
  for n = 1, tonumber(job.a) do
    if job['u' .. n] or job['e' .. n] or told_of(job, n) then return true end
  end
  return false
end

local jobs = {}
for _, job in ipairs(redis.call('LRANGE', KEY.rows(id), 0, PAGE - 1)) do
  local found = fetch(job)
  if found and (at_provider(found) or is_looked_for(found, t)) then return 'running' end
  jobs[#jobs + 1] = found
end
for _, job in ipairs(jobs) do
  if is_known_outside(job) then
    local stays = math.max(tonumber(ARGV[2]), tonumber(job.ke or '0') - math.floor(t / 1000))
    redis.call('SET', KEY.tombstone(job.id), id .. '|' .. (job.m or '0'), 'EX', stays)
  end
  for n = 1, tonumber(job.a) do
    for _, kind in ipairs({'s', 'v', 'x'}) do
      for _, digest in ipairs(digests(job, kind, n)) do drop(job, kind, n, digest) end
    end
    redis.call('UNLINK', KEY.result(job.id, n), KEY.task(task_uuid(job, n)))
    redis.call('ZREM', KEY.due(), task_uuid(job, n))
  end
  redis.call('UNLINK', KEY.job(job.id), KEY.input(job.id), KEY.failure(job.id), KEY.history(job.id),
    KEY.quarantine(job.id), KEY.caller(job.id))
  redis.call('ZREM', KEY.quarantined(), job.id)
  redis.call('HINCRBY', KEY.counts(), 'n:' .. job.s, -1)
end
redis.call('LTRIM', KEY.rows(id), PAGE, -1)
if redis.call('EXISTS', KEY.rows(id)) == 0 then
  if redis.call('HGET', KEY.names(), known[1]) == id then redis.call('HDEL', KEY.names(), known[1]) end
  redis.call('ZREM', KEY.batches(), id)
  for _, set_of in ipairs({KEY.ready(), KEY.paused()}) do redis.call('ZREM', set_of, id) end
  redis.call('UNLINK', batch, KEY.queue(id), KEY.shared(id), KEY.causes(id), KEY.pace(id))
end
return #jobs
