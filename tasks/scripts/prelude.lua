-- Stands before the scripts, after KEY (keys.py), MOVES, ENDED, ACTIVE, SHOWN and UNSHOWN (moves.py).
-- Times are milliseconds of Redis TIME. Money is passed as digits and only ever added by HINCRBY.
--
-- A script changes records by `set` and `forget` and counters by `tally`: they are written once, when
-- it returns, each record with one HSET and one HDEL. What a script reads of a record it reads from
-- the table.

local HISTORY = 64        -- entries kept per job
local CAUSES = 64         -- error codes that a batch counts apart; the rest is 'other'
local SLICE_MS = 10000    -- endings are counted by slices of time,
local SLICES = 60         -- of which so many are kept
local PROMPT_MS = 1000    -- a job is not polled more often than this, whatever is delivered

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Until when the store may have had a history that it has lost: it came up anew since, from its disk or
-- from a backup, or another took over, and the last writes may be missing. What was queued by then may
-- have been sent. 0 where it has been the same server all along.
local function doubted_until(t)
  local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local known, since = unpack(redis.call('HMGET', KEY.meta(), 'run', 'doubt'))
  if known == server then return tonumber(since or '0') end
  redis.call('HSET', KEY.meta(), 'run', server)
  if not known then return tonumber(since or '0') end
  redis.call('HSET', KEY.meta(), 'doubt', t)
  return t
end

-- Of one run: records by id, by record the names of its changed fields, by hash and field what is to be
-- added, and whether to nudge.
local fetched, changed, counted, nudged

-- The record as a table of strings, beside it its id, the names of its results' fields
-- (prelude_results.lua) and the whole as it was read (`flat`); nil where there is none.
local function fetch(id)
  if fetched[id] then return fetched[id] end
  local flat = redis.call('HGETALL', KEY.job(id))
  if not flat[1] then return nil end
  local job, told = {}, {}
  for i = 1, #flat, 2 do
    local field = flat[i]
    job[field] = flat[i + 1]
    if string.find(field, ':', 1, true) then told[field] = true end
  end
  job.id, job.told, job.flat, fetched[id] = id, told, flat, job
  return job
end

local function mark(job, field, value)
  if job[field] == value then return end
  job[field] = value
  if string.find(field, ':', 1, true) then job.told[field] = value and true end
  local fields = changed[job] or {}
  fields[field], changed[job] = true, fields
end

local function set(job, ...)
  for i = 1, select('#', ...), 2 do
    local field, value = select(i, ...)
    mark(job, field, tostring(value))
  end
end

local function forget(job, ...)
  for i = 1, select('#', ...) do mark(job, (select(i, ...)), nil) end
end

local function write(job)
  local put, gone = {}, {}
  for field in pairs(changed[job] or {}) do
    if job[field] then
      put[#put + 1] = field
      put[#put + 1] = job[field]
    else
      gone[#gone + 1] = field
    end
  end
  if put[1] then redis.call('HSET', KEY.job(job.id), unpack(put)) end
  if gone[1] then redis.call('HDEL', KEY.job(job.id), unpack(gone)) end
  changed[job] = nil
end

-- History entries are first|last|times|what|detail; last and times are left out of what was once.
local function append(id, t, what, detail)
  local key = KEY.history(id)
  local length = redis.call('RPUSH', key, string.format('%d', t) .. '|||' .. what .. '|' .. (detail or ''))
  if length > HISTORY then redis.call('LTRIM', key, -HISTORY, -1) end
end

-- What may be the same as before only counts up.
local function note(id, t, what, detail)
  local key, body = KEY.history(id), what .. '|' .. (detail or '')
  local first, times, same = string.match(redis.call('LINDEX', key, -1) or '', '^(%d+)|%d*|(%d*)|(.*)$')
  if same ~= body then return append(id, t, what, detail) end
  times = (tonumber(times) or 1) + 1
  redis.call('LSET', key, -1, table.concat({first, string.format('%d', t), times, body}, '|'))
end

local function task_uuid(job, n)
  return n == 1 and job.id or job['i' .. n]
end

local function nudge()
  nudged = true
end

local function flag(job, word)
  local flags = job.fl or ''
  if not string.find(',' .. flags .. ',', ',' .. word .. ',', 1, true) then
    set(job, 'fl', flags == '' and word or flags .. ',' .. word)
  end
end

local function unflag(job, word)
  local rest = {}
  for known in string.gmatch(job.fl or '', '[^,]+') do
    if known ~= word then rest[#rest + 1] = known end
  end
  if job.fl then set(job, 'fl', table.concat(rest, ',')) end
end

-- How many results attempt n was asked for: those of the job, or those that it lacked.
local function wanted(job, n)
  return tonumber(job['n' .. n] or job.n)
end

local function tally(job, field, by)
  for _, key in ipairs({KEY.batch(job.b), KEY.counts()}) do
    local fields = counted[key] or {}
    fields[field], counted[key] = (fields[field] or 0) + by, fields
  end
end

-- Money is added at once: digits are no numbers here.
local function tally_cost(job, by)
  redis.call('HINCRBY', KEY.batch(job.b), 'cost', by)
  redis.call('HINCRBY', KEY.counts(), 'cost', by)
end

-- Run one script; what it changed is written when it returns.
local function run(script, ARGV)
  fetched, changed, counted, nudged = {}, {}, {}, false
  local answer = script(ARGV)
  for job in pairs(changed) do write(job) end
  for key, fields in pairs(counted) do
    for field, by in pairs(fields) do
      if by ~= 0 then redis.call('HINCRBY', key, field, by) end
    end
  end
  if nudged and redis.call('LLEN', KEY.nudge()) == 0 then redis.call('RPUSH', KEY.nudge(), '1') end
  return answer
end

-- A batch may be claimed from, at the virtual time it left off or, if new, at the current one.
local function ready(batch)
  if redis.call('ZSCORE', KEY.paused(), batch) then return end
  local stays = redis.call('HMGET', KEY.batch(batch), 'held', 'cancelling', 'broke')
  if stays[1] or stays[2] or stays[3] then return end
  local own = tonumber(redis.call('HGET', KEY.batch(batch), 'vt') or '0')
  local current = tonumber(redis.call('HGET', KEY.meta(), 'vt') or '0')
  redis.call('ZADD', KEY.ready(), 'NX', math.max(own, current), batch)
end

-- A batch that its limit stopped may afford more now: let it be looked at again.
local function affords_again(batch)
  if redis.call('HDEL', KEY.batch(batch), 'broke') == 0 then return end
  if redis.call('EXISTS', KEY.queue(batch)) == 1 then ready(batch) end
  nudge()
end

-- A job that ended without all of its results is counted under the code of its last error, until it
-- leaves that state; one of those with the code is kept as the example.
local LACKING = {failed = true, partial = true, expired = true}

local function blame(job)
  local key, code = KEY.causes(job.b), job.ec or ''
  if code == '' then code = job.s end
  local is_known = redis.call('HEXISTS', key, 'n:' .. code) == 1
  if not is_known and redis.call('HLEN', key) >= 2 * CAUSES then code = 'other' end
  redis.call('HINCRBY', key, 'n:' .. code, 1)
  redis.call('HSET', key, 'j:' .. code, job.id)
  set(job, 'fc', code)
end

local function absolve(job)
  local key = KEY.causes(job.b)
  if redis.call('HINCRBY', key, 'n:' .. job.fc, -1) == 0 then
    redis.call('HDEL', key, 'n:' .. job.fc, 'j:' .. job.fc)
  end
  forget(job, 'fc')
end

-- The number of parked jobs: those that wait for the user's word.
local function recount_parked(job)
  local flags = ',' .. (job.fl or '') .. ','
  local parked = job.s == 'resolving' and string.find(flags, ',parked,', 1, true)
  if parked and not job.pk then
    set(job, 'pk', 1)
    tally(job, 'parked', 1)
  elseif job.pk and not parked then
    forget(job, 'pk')
    tally(job, 'parked', -1)
  end
end

-- How fast a batch's jobs end: whoever looks at it need not have looked before.
local function keep_pace(job, t)
  local key, slice = KEY.pace(job.b), math.floor(t / SLICE_MS)
  if redis.call('HINCRBY', key, slice, 1) > 1 then return end
  for _, old in ipairs(redis.call('HKEYS', key)) do
    if tonumber(old) <= slice - SLICES then redis.call('HDEL', key, old) end
  end
  redis.call('PEXPIRE', key, SLICES * SLICE_MS)
end
