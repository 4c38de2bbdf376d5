-- Stands before the scripts, after KEY (keys.py), MOVES and the tables and
-- limits beside it (moves.py). Times are milliseconds of Redis TIME, one moment for all of a run. Money is digits.
--
-- A script changes records by `set` and `forget`, and histories by `note` and `append`: they are written
-- once, when it returns, each record with one HSET and one HDEL, each history with one RPUSH. What a
-- script reads of a record it reads from the table. Counters and streams: prelude_books.lua.

local HISTORY = 64        -- entries kept per job
local CAUSES = 64         -- error codes that a batch counts apart; the rest is 'other'
local WORD = 64           -- most bytes of a field: with larger ones a record takes twice the room
local PROMPT_MS = 1000    -- a job is not polled more often than this, whatever is delivered
local LEAP = 1000000000   -- polls, or claims, that a lost history had at most
local COST_MS = 60000     -- a cost that came with no result is asked for so long

-- Of one run: its time, records by id, by batch whether its queued jobs may have been sent. Of one script:
-- the records it changed, by id the lines that its history grows by.
local clock, fetched, doubtful, changed, lines

local function now()
  if not clock then
    local time = redis.call('TIME')
    clock = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return clock
end

-- Until when the store may have had a history that it has lost: it came up anew since, from its disk or
-- from a backup, another took over, or it took another's data, and the last writes may be missing. What
-- was queued by then may have been sent. 0 where it has been the same server and history all along.
local function doubted_until(t)
  local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') .. ':' ..
    string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
  local known, since, calm = unpack(redis.call('HMGET', KEY.meta(), 'run', 'doubt', 'calm'))
  if known == server then return tonumber(since or '0') end
  redis.call('HSET', KEY.meta(), 'run', server)
  if not known then return tonumber(since or '0') end
  -- What was begun in the lost history has higher numbers than the kept one knows of.
  redis.call('HSET', KEY.meta(), 'kept', redis.call('HGET', KEY.meta(), 'given') or '')
  redis.call('HINCRBY', KEY.meta(), 'polls', LEAP)
  redis.call('HINCRBY', KEY.meta(), 'fence', LEAP)
  if since and since ~= calm then redis.call('HSET', KEY.meta(), 'loss', since) end
  redis.call('HSET', KEY.meta(), 'doubt', t)
  return t
end

-- May a queued job of the batch have been sent in a history that the store has lost?
local function may_be_sent(batch, t)
  if doubtful[batch] == nil then
    local created, doubt = unpack(redis.call('HMGET', KEY.batch(batch), 'created', 'doubt'))
    doubtful[batch] = doubt ~= false or tonumber(created or '0') <= doubted_until(t)
  end
  return doubtful[batch]
end

-- The record as a table of strings; nil where there is none. Beside its fields: its id, the whole as it
-- was read (`flat`), the names of changed fields (`fresh`) and of results (`told`, prelude_results.lua).
local function fetch(id)
  if fetched[id] then return fetched[id] end
  local flat = redis.call('HGETALL', KEY.job(id))
  if not flat[1] then return nil end
  local job = {}
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  job.id, job.flat, fetched[id] = id, flat, job
  return job
end

-- Names of fields from this length on are those of results: `d1:` and a digest.
local LONG = 9

local function mark(job, field, value)
  if job[field] == value then return end
  job[field] = value
  if #field >= LONG and job.told then job.told[field] = value and true end
  local fresh = job.fresh
  if not fresh then
    fresh = {}
    job.fresh, changed[#changed + 1] = fresh, job
  end
  fresh[#fresh + 1] = field
end

-- Set up to three fields.
local function set(job, field, value, second, of_second, third, of_third)
  mark(job, field, tostring(value))
  if second then mark(job, second, tostring(of_second)) end
  if third then mark(job, third, tostring(of_third)) end
end

-- Forget up to three fields.
local function forget(job, field, second, third)
  mark(job, field, nil)
  if second then mark(job, second, nil) end
  if third then mark(job, third, nil) end
end

local function write(job)
  local put, gone, size = {}, {}, 0
  for _, field in ipairs(job.fresh or {}) do
    local value = job[field]
    if value then
      put[size + 1], put[size + 2], size = field, value, size + 2
    else
      gone[#gone + 1] = field
    end
  end
  if size > 0 then redis.call('HSET', KEY.job(job.id), unpack(put)) end
  if gone[1] then redis.call('HDEL', KEY.job(job.id), unpack(gone)) end
  job.fresh = nil
end

-- History entries are first|last|times|what|detail; last and times are left out of what was once.
local function append(id, t, what, detail)
  local more = lines[id] or {}
  more[#more + 1], lines[id] = string.format('%d|||%s|%s', t, what, detail or ''), more
end

-- What may be the same as before only counts up.
local function note(id, t, what, detail)
  local more, key = lines[id], KEY.history(id)
  local last = more and more[#more] or redis.call('LINDEX', key, -1) or ''
  local first, times, same = string.match(last, '^(%d+)|%d*|(%d*)|(.*)$')
  local body = what .. '|' .. (detail or '')
  if same ~= body then return append(id, t, what, detail) end
  local again = string.format('%s|%d|%d|%s', first, t, (tonumber(times) or 1) + 1, body)
  if more then more[#more] = again else redis.call('LSET', key, -1, again) end
end

-- Write what a script has changed of records and histories.
local function write_all()
  for _, job in ipairs(changed) do write(job) end
  for id, more in pairs(lines) do
    local length = redis.call('RPUSH', KEY.history(id), unpack(more))
    if length > HISTORY then redis.call('LTRIM', KEY.history(id), -HISTORY, -1) end
  end
  changed, lines = {}, {}
end

local function task_uuid(job, n)
  return n == 1 and job.id or job['i' .. n]
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

-- A batch may be claimed from, at the virtual time it left off or, if new, at the current one.
local function ready(batch)
  if redis.call('ZSCORE', KEY.paused(), batch) then return end
  local stays = redis.call('HMGET', KEY.batch(batch), 'held', 'cancelling', 'broke')
  if stays[1] or stays[2] or stays[3] then return end
  local own = tonumber(redis.call('HGET', KEY.batch(batch), 'vt') or '0')
  local current = tonumber(redis.call('HGET', KEY.meta(), 'vt') or '0')
  redis.call('ZADD', KEY.ready(), 'NX', math.max(own, current), batch)
end
