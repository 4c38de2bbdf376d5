-- Take queued jobs for the free slots, fairly between batches: queued -> submitting.
-- What the POST is made of and may change later (callback place, key, expiry) is frozen here.
-- A job whose task the provider has told of while it waited is not sent: -> processing, and polled.
-- ARGV: most jobs, lease ms, slot bound ms, callback place, key id, token lifetime s,
--       most age ms of the oldest unsettled end, fencing token ('': a new one), mark of the last claim
--       of this worker, or of the one before it ('': nobody knows), names of both
-- returns: until when the store may have had a history that it has lost, fencing token, free slots left,
--          mark of this claim (in which history, and its number there), then per job: id, attempt, place,
--          kid, expiry, taskUUID, times refused or put back, batch, resends, results asked for where fewer
--          than the row's, else ''; where its taskUUID was or may have been sent before, in a history that
--          the store has lost or without a clear answer, and so is looked for first: the ms for which
--          silence about it would have told that it was not, else ''

-- A batch with a limit: may the job be sent? Cost, reservations, those kept of results whose cost was
-- not told, and the most that it can cost itself must stay within. HINCRBY adds, and only the sign is
-- looked at. An input may be billed with each result. Until its cost is known or given, the batch's jobs
-- go one at a time.
local function affordable(job)
  pay_in()
  local batch, own = KEY.batch(job.b), KEY.job(job.id)
  local known = redis.call('HMGET', batch, 'bound', 'cost', 'reserved', 'untold')
  local bound, cost, reserved, untold = unpack(known)
  if not bound and reserved ~= '0' then return false end
  if not job.ro then set(job, 'ro', job.rv) end
  redis.call('HSET', own, 'rv', job.ro)
  for _ = 1, wanted(job, job.a) do redis.call('HINCRBY', own, 'rv', bound or '0') end
  job.rv = redis.call('HGET', own, 'rv')
  redis.call('HSET', batch, 'room', redis.call('HGET', batch, 'cap'))
  for _, amount in ipairs({cost, reserved, untold or '0', job.rv}) do
    if amount ~= '0' then redis.call('HINCRBY', batch, 'room', '-' .. amount) end
  end
  return string.sub(redis.call('HGET', batch, 'room'), 1, 1) ~= '-'
end

local most, lease, bound = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local t = now()
if redis.call('ZSCORE', KEY.paused(), '*') or redis.call('HGET', KEY.meta(), 'held') then
  return {0, '', 0, ''}
end
local oldest = redis.call('XRANGE', KEY.ends(), '-', '+', 'COUNT', 1)[1]
if oldest and t - tonumber(string.match(oldest[1], '^%d+')) > tonumber(ARGV[7]) then
  return {0, '', 0, ''} -- effects have fallen behind: do not make more
end
local free = tonumber(redis.call('HGET', KEY.meta(), 'window') or '0') - redis.call('ZCARD', KEY.slots())
local token, given, claimed, taken, looked, current = ARGV[8], '', {}, 0, 0, nil
local slots, leases = {}, {}
local doubted = doubted_until(t)

-- Is it known that no claim was lost with the history? This worker's last one is the last one
-- that is there, and no other worker was there since.
local function is_calm(calm, kept)
  if tonumber(calm or '0') == doubted then return true end
  if ARGV[9] == '' or ARGV[9] ~= kept then return false end
  for _, worker in ipairs(redis.call('ZRANGE', KEY.workers(), 0, -1)) do
    if worker ~= ARGV[10] and worker ~= ARGV[11] then return false end
  end
  redis.call('HSET', KEY.meta(), 'calm', doubted)
  return true
end

-- Until when a claim may have been sent that is lost: with this history, or with the last one before it of
-- which nobody knew.
local function lost_until()
  local calm, kept, loss = unpack(redis.call('HMGET', KEY.meta(), 'calm', 'kept', 'loss'))
  return is_calm(calm, kept) and tonumber(loss or '0') or doubted
end

local lost = lost_until()

-- From when on does silence tell that a job of this batch was not sent in a lost history? Nil where it was
-- not. What was sent may run, unseen, from the last moment of that history on. When that was is known,
-- but not of a batch that was lost whole and comes anew from a manifest: there it is the batch's beginning.
local function silent_since(created, was_lost)
  if not was_lost and created > doubted then return nil end
  return math.max(lost, was_lost == '1' and created or 0)
end

local function take(job, since)
  local n = tonumber(job.a)
  local uuid = task_uuid(job, n)
  taken = taken + 1
  slots[#slots + 1], slots[#slots + 2] = t + bound, uuid
  move(job, 'claim', t, 'attempt ' .. n)
  if job.se then
    forget(job, 'se')
    if not job['u' .. n] then set(job, 'u' .. n, t) end -- lost with the claim that sent it
    found(job, n, t, 'told of while it waited')
    redis.call('ZADD', KEY.due(), 'LT', t, uuid)
    return
  end
  if token == '' then token = tostring(redis.call('HINCRBY', KEY.meta(), 'fence', 1)) end
  set(job, 't', token, 'u' .. n, t)
  if job.rs then -- polls that are under way asked before it is sent again
    set(job, 'p', tonumber(redis.call('HGET', KEY.meta(), 'polls') or '0') + 1)
  end
  if not job.k then
    set(job, 'k', ARGV[5], 'kp', ARGV[4], 'ke', math.floor(t / 1000) + tonumber(ARGV[6]))
  end
  leases[#leases + 1], leases[#leases + 2] = t + lease, job.id
  claimed[#claimed + 1] = {job.id, n, job.kp, job.k, job.ke, uuid, (job.rf or 0) + (job.pb or 0), job.b,
    job.rs or '0', job['n' .. n] or '', since and t - since or job.rs and t or ''}
end

local function is_enough()
  return taken >= math.min(most, free) or looked >= 4 * most
end

-- Serve the batch whose turn it is until it is another's; its turns cost 1 / priority each.
local function serve(batch, vt, next_turn)
  local fields = redis.call('HMGET', KEY.batch(batch), 'priority', 'cap', 'created', 'doubt')
  local priority, cap, created, doubt = unpack(fields)
  if not created then -- somebody deleted it: the others go on
    redis.call('ZREM', KEY.ready(), batch)
    return
  end
  local since = silent_since(tonumber(created), doubt)
  local turn = 1 / tonumber(priority or '1')
  local function leave(...)
    redis.call('HSET', KEY.batch(batch), 'vt', string.format('%.17g', vt), ...)
    redis.call('ZREM', KEY.ready(), batch)
  end
  repeat
    looked = looked + 1
    local id = redis.call('LPOP', KEY.queue(batch))
    local job = id and fetch(id)
    if not id then return leave() end
    if job and job.s == 'queued' then -- it may have been completed while it waited
      if cap and not job.se and not affordable(job) then
        redis.call('LPUSH', KEY.queue(batch), id)
        return leave('broke', job.rv)
      end
      take(job, since)
      current, vt = vt, vt + turn
    end
  until is_enough() or (next_turn and vt >= next_turn)
  redis.call('ZADD', KEY.ready(), vt, batch)
end

while not is_enough() do
  local turns = redis.call('ZRANGE', KEY.ready(), 0, 1, 'WITHSCORES')
  if not turns[1] then break end
  serve(turns[1], tonumber(turns[2]), tonumber(turns[4]))
end
if current then redis.call('HSET', KEY.meta(), 'vt', string.format('%.17g', current)) end
if slots[1] then redis.call('ZADD', KEY.slots(), unpack(slots)) end
if leases[1] then redis.call('ZADD', KEY.leases(), unpack(leases)) end
if claimed[1] then
  given = string.format('%.0f.%d', doubted, redis.call('HINCRBY', KEY.meta(), 'claims', 1))
  redis.call('HSET', KEY.meta(), 'given', given)
end
return {doubted, token, free - taken, given, unpack(claimed)}
