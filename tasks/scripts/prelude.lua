-- Stands before every script, after KEY (keys.py), MOVES, ENDED and ACTIVE (moves.py).
-- Times are milliseconds of Redis TIME. Money is passed as digits and only ever added by HINCRBY.

local HISTORY = 64        -- entries kept per job
local PROMPT_MS = 1000    -- a job is not polled more often than this, whatever is delivered

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The record as a table of strings, its id beside it; nil where there is none.
local function fetch(id)
  local flat = redis.call('HGETALL', KEY.job(id))
  if not flat[1] then return nil end
  local job = {}
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  job.id = id
  return job
end

local function set(job, ...)
  redis.call('HSET', KEY.job(job.id), ...)
  for i = 1, select('#', ...), 2 do
    local field, value = select(i, ...)
    job[field] = tostring(value)
  end
end

local function forget(job, ...)
  redis.call('HDEL', KEY.job(job.id), ...)
  for _, field in ipairs({...}) do job[field] = nil end
end

-- History entries are first|last|times|what|detail; the same again only counts up.
local function note(id, t, what, detail)
  local key, body = KEY.history(id), what .. '|' .. (detail or '')
  local stamp = string.format('%d', t)
  local last = redis.call('LINDEX', key, -1)
  if last then
    local first, times, same = string.match(last, '^(%d+)|%d+|(%d+)|(.*)$')
    if same == body then
      redis.call('LSET', key, -1, table.concat({first, stamp, times + 1, body}, '|'))
      return
    end
  end
  redis.call('RPUSH', key, table.concat({stamp, stamp, 1, body}, '|'))
  redis.call('LTRIM', key, -HISTORY, -1)
end

local function task_uuid(job, n)
  return n == 1 and job.id or job['i' .. n]
end

local function nudge()
  if redis.call('LLEN', KEY.nudge()) == 0 then redis.call('RPUSH', KEY.nudge(), '1') end
end

local function flag(job, word)
  local flags = job.fl or ''
  if not string.find(',' .. flags .. ',', ',' .. word .. ',', 1, true) then
    set(job, 'fl', flags == '' and word or flags .. ',' .. word)
  end
end

local function tally(job, field, by)
  redis.call('HINCRBY', KEY.batch(job.b), field, by)
  redis.call('HINCRBY', KEY.counts(), field, by)
end

-- A job has ended, or its ending was amended: the outbox entry, and the batch's end.
local function ended(job, from, event, t)
  set(job, 'e', t)
  redis.call('XADD', KEY.ends(), '*', 'job', job.id, 'event', event, 'from', from, 'to', job.s)
  nudge()
  if ENDED[from] then return end
  if from == 'submitting' and not job['e' .. job.a] then
    -- Nobody waits for its POST's answer any more: after the lease a poll finds what that bought.
    local at = redis.call('ZSCORE', KEY.leases(), job.id) or t
    redis.call('ZADD', KEY.due(), 'NX', at, task_uuid(job, tonumber(job.a)))
  end
  redis.call('ZREM', KEY.leases(), job.id)
  redis.call('ZREM', KEY.later(), job.id)
  local batch = KEY.batch(job.b)
  local open = redis.call('HINCRBY', batch, 'open', -1)
  if open == 0 and redis.call('HGET', batch, 'sealed') == '1' then
    redis.call('HSET', batch, 'done', t)
  end
end

-- One move along the table; false, and nothing done, where the table has no such edge.
local function move(job, event, t, detail)
  local from, to = job.s, MOVES[event][job.s]
  if not to then return false end
  note(job.id, t, event, detail)
  if to ~= from then
    tally(job, 'n:' .. from, -1)
    tally(job, 'n:' .. to, 1)
    if ACTIVE[to] and not ACTIVE[from] then tally(job, 'reserved', job.rv or '0') end
    if ACTIVE[from] and not ACTIVE[to] and (job.rv or '0') ~= '0' then
      tally(job, 'reserved', '-' .. job.rv)
    end
    set(job, 's', to)
  end
  if ENDED[to] then ended(job, from, event, t) end
  return true
end

-- Is the claim that this answer belongs to still the job's claim?
local function held(job, token)
  return job and job.s == 'submitting' and job.t == token
end

-- The claim's POST bought nothing, but its job has ended meanwhile: no task of it is running.
local function unbought(job, token)
  if not job or not ENDED[job.s] or job.t ~= token then return end
  local uuid = task_uuid(job, tonumber(job.a))
  redis.call('ZREM', KEY.slots(), uuid)
  redis.call('ZREM', KEY.due(), uuid)
  nudge()
end

-- The attempt that a taskUUID belongs to; without one, the current attempt.
local function attempt_of(job, uuid)
  if uuid == '' then return tonumber(job.a) end
  for n = 1, tonumber(job.a) do
    if task_uuid(job, n) == uuid then return n end
  end
  return nil
end

-- The task of attempt n is known to be over: its slot is free, nothing of it is due.
local function over(job, n, t, outcome)
  local uuid = task_uuid(job, n)
  redis.call('ZREM', KEY.slots(), uuid)
  redis.call('ZREM', KEY.due(), uuid)
  if not job['e' .. n] then set(job, 'e' .. n, t, 'o' .. n, outcome) end
  nudge()
end

-- A batch may be claimed from, at the virtual time it left off or, if new, at the current one.
local function ready(batch)
  if redis.call('ZSCORE', KEY.paused(), batch) then return end
  local own = tonumber(redis.call('HGET', KEY.batch(batch), 'vt') or '0')
  local current = tonumber(redis.call('HGET', KEY.meta(), 'vt') or '0')
  redis.call('ZADD', KEY.ready(), 'NX', math.max(own, current), batch)
end

local function requeue(job, t, not_before)
  if not_before > t then
    redis.call('ZADD', KEY.later(), not_before, job.id)
  else
    redis.call('LPUSH', KEY.queue(job.b), job.id)
    ready(job.b)
  end
  nudge()
end

-- Let the attempt be polled soon: something was delivered that only a poll can decide.
local function prompt(job, n, t)
  local at = math.min(t + PROMPT_MS, math.max(t, tonumber(job.lp or '0') + PROMPT_MS))
  set(job, 'lp', at)
  redis.call('ZADD', KEY.due(), 'LT', at, task_uuid(job, n))
  nudge()
end

-- When to poll again: as planned, unless something was delivered after the poll was sent.
local function schedule(job, n, t, sent, planned)
  if tonumber(job.lp or '0') > sent then planned = math.min(planned, t + PROMPT_MS) end
  local uuid = task_uuid(job, n)
  if ENDED[job.s] and not redis.call('ZSCORE', KEY.slots(), uuid) then
    redis.call('ZREM', KEY.due(), uuid)
  else
    redis.call('ZADD', KEY.due(), planned, uuid)
  end
end

-- The provider has the current attempt's task, whatever the POST's answer was or will be: to
-- processing. A job that waits to be sent (again) is marked, so that claim.lua does not send it.
-- True where it moved.
local function found(job, n, t, detail)
  if n ~= tonumber(job.a) or ENDED[job.s] then return false end
  forget(job, 'em', 'l', 'ls')
  if job.s == 'queued' then set(job, 'se', 1) end
  if not move(job, 'found', t, detail) then return false end
  redis.call('ZREM', KEY.leases(), job.id)
  return true
end

-- A poll gave this error: how often in a row?
local function sight(job, signature)
  set(job, 'xc', job.x == signature and tonumber(job.xc) + 1 or 1, 'x', signature)
end

-- An answer to a poll older than one already applied says nothing.
local function stale(job, seq)
  if tonumber(seq) < tonumber(job.p or '0') then return true end
  set(job, 'p', seq)
  return false
end

-- Replace what attempt n has cost by the sum of amounts (strings of nano-dollars).
local function charge(job, n, amounts)
  local key, field = KEY.job(job.id), 'm' .. n
  local old = job[field] or '0'
  redis.call('HSET', key, field, '0')
  for _, amount in ipairs(amounts) do redis.call('HINCRBY', key, field, amount) end
  job[field] = redis.call('HGET', key, field)
  if job[field] == old then return end
  local totals = {{key, 'm'}, {KEY.batch(job.b), 'cost'}, {KEY.counts(), 'cost'}}
  for _, total in ipairs(totals) do
    if old ~= '0' then redis.call('HINCRBY', total[1], total[2], '-' .. old) end
    redis.call('HINCRBY', total[1], total[2], job[field])
  end
end

-- What is known of attempt n: successes of the authoritative answer, provisional successes that it
-- does not hold. Sets the attempt's cost accordingly: the provider's own answer decides it, callbacks
-- where it names none. A surplus over what was asked for is kept but not believed to be a charge.
local function weigh(job, n)
  local key, told, loose = KEY.results(job.id, n), {}, {}
  local ok, cost = tonumber(redis.call('HGET', key, 'ok') or '0'), redis.call('HGET', key, 'cost')
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local kind, price = string.sub(field, 1, 2), 'c:' .. string.sub(field, 3)
    if kind == 'd:' then told[#told + 1] = price end
    if kind == 's:' then loose[#loose + 1] = price end
  end
  local expected, amounts = tonumber(job.n), {cost or nil}
  local function add(prices)
    if #prices == 0 then return end
    for _, amount in ipairs(redis.call('HMGET', key, unpack(prices))) do
      if amount then amounts[#amounts + 1] = amount end
    end
  end
  if not cost then add(told) end
  if ok + #loose <= expected then add(loose) end
  -- A surplus beside a part: nobody can tell which is charged, so it stays as it was.
  if ok + #loose <= expected or ok >= expected then charge(job, n, amounts) end
  return ok, #loose
end

-- Every result of attempt n is here: an error that a callback brought beside them is none of it.
local function contradict(job, n)
  local key = KEY.results(job.id, n)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) == 'x:' then
      redis.call('HDEL', key, field)
      flag(job, 'contradiction')
    end
  end
end

-- Every result of attempt n is here. The first attempt to be whole ends the job.
local function whole(job, n, t)
  over(job, n, t, 'completed')
  contradict(job, n)
  if job.w == tostring(n) and not MOVES.complete[job.s] then -- told before
    if job.s == 'partial' then flag(job, 'late') end
    return
  end
  local was_ended = ENDED[job.s]
  if MOVES.complete[job.s] then
    set(job, 'w', n)
    forget(job, 'ec')
    move(job, 'complete', t, 'attempt ' .. n)
  elseif not job.w then
    set(job, 'w', n)
  else
    flag(job, 'superseded')
  end
  if was_ended then
    flag(job, 'late')
    note(job.id, t, 'late', 'attempt ' .. n)
  end
end

-- No more will come for attempt n: end the job with the results that are here, by whatever road.
-- False where there is none.
local function concluded(job, n, t)
  local ok, loose = weigh(job, n)
  if ok + loose >= tonumber(job.n) then
    whole(job, n, t)
    return true
  end
  if ok + loose == 0 then return false end
  over(job, n, t, 'partial')
  if n == tonumber(job.a) and MOVES.complete_partly[job.s] then
    set(job, 'w', n)
    move(job, 'complete_partly', t, 'attempt ' .. n)
  elseif ENDED[job.s] then
    flag(job, 'late')
  end
  return true
end

-- Keep an authoritative (getResponse) answer for attempt n in place of the provisional set, and end
-- the job where its results say so. True where nothing is left to decide about the attempt. While
-- the provider says that more is running, only its own results count: one that a callback brought
-- may be one of them, told a little differently.
-- answer: blob, ok, cost, final ('1' or '0'), digests
local function joined(job, n, t, answer)
  local key = KEY.results(job.id, n)
  if answer.ok >= tonumber(redis.call('HGET', key, 'ok') or '0') then -- it is cumulative
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if string.sub(field, 1, 2) == 'd:' then redis.call('HDEL', key, field) end
    end
    redis.call('HSET', key, 'A', answer.blob, 'ok', answer.ok)
    for _, digest in ipairs(answer.digests) do
      redis.call('HSET', key, 'd:' .. digest, '1')
      redis.call('HDEL', key, 's:' .. digest, 'x:' .. digest)
    end
    if answer.cost ~= '' then redis.call('HSET', key, 'cost', answer.cost) end -- else not told: as before
  end
  local ok, loose = weigh(job, n)
  if ok + loose > tonumber(job.n) then flag(job, 'surplus') end
  if ok >= tonumber(job.n) then
    whole(job, n, t)
    return true
  end
  if answer.final ~= '1' then return false end
  if job.s == 'queued' and n == tonumber(job.a) then -- decided when the job is looked for again
    found(job, n, t, '')
    return true
  end
  if concluded(job, n, t) then return true end
  over(job, n, t, 'failed')
  return ENDED[job.s] ~= nil or n ~= tonumber(job.a)
end

-- Read the answer of `joined` from ARGV[first] on: blob, ok, cost, final, digests to the end.
local function answer_from(first)
  local answer = {
    blob = ARGV[first], ok = tonumber(ARGV[first + 1]), cost = ARGV[first + 2],
    final = ARGV[first + 3], digests = {},
  }
  for i = first + 4, #ARGV do answer.digests[#answer.digests + 1] = ARGV[i] end
  return answer
end
