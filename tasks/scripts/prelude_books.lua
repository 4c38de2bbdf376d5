-- Stands after prelude.lua: the books of a run. Counters, money, endings and moves that are shown are
-- collected and written once, when the run ends: a run of many scripts (several) writes each sum once.

local SLICE_MS = 10000    -- endings are counted by slices of time,
local SLICES = 60         -- of which so many are kept
local PURE = 12           -- digits up to which a double adds amounts exactly, a thousand of them

-- Each a list of entries: counters as key, field, by; money as key, field, digits; change of a batch's
-- open jobs as batch, by; batches whose jobs end, and which may afford more; endings as job, what is
-- told of it, alone; moves to show as job, state.
local books, nudged, took

local function enter(book, ...)
  local entries = books[book]
  for i = 1, select('#', ...) do entries[#entries + 1] = (select(i, ...)) end
end

local function nudge()
  nudged = true
end

local function tally(job, field, by)
  enter('counts', KEY.batch(job.b), field, by)
  enter('counts', KEY.counts(), field, by)
end

-- Sums by key and field.
local function summed(entries)
  local sums = {}
  for i = 1, #entries, 3 do
    local key, field = entries[i], entries[i + 1]
    local fields = sums[key] or {}
    fields[field], sums[key] = (fields[field] or 0) + entries[i + 2], fields
  end
  return sums
end

local function add(sums)
  for key, fields in pairs(sums) do
    for field, by in pairs(fields) do
      if by ~= 0 then redis.call('HINCRBY', key, field, string.format('%.0f', by)) end
    end
  end
end

-- Money is digits that only HINCRBY adds, but for sums that a double holds exactly.
local function charge_to(key, field, digits)
  if #digits > PURE then redis.call('HINCRBY', key, field, digits) else enter('money', key, field, digits) end
end

-- Write what money is collected, for a script that is to read a sum.
local function pay_in()
  add(summed(books.money))
  books.money = {}
end

local function tally_cost(job, by)
  charge_to(KEY.batch(job.b), 'cost', by)
  charge_to(KEY.counts(), 'cost', by)
end

-- A batch that its limit stopped may afford more now: let it be looked at again.
local function affords_again(batch)
  if redis.call('HDEL', KEY.batch(batch), 'broke') == 0 then return end
  if redis.call('EXISTS', KEY.queue(batch)) == 1 then ready(batch) end
  nudge()
end

-- How fast a batch's jobs end: whoever looks at it need not have looked before.
local function keep_pace(batch, by)
  local key, slice = KEY.pace(batch), math.floor(now() / SLICE_MS)
  if redis.call('HINCRBY', key, slice, by) > by then return end
  for _, old in ipairs(redis.call('HKEYS', key)) do
    if tonumber(old) <= slice - SLICES then redis.call('HDEL', key, old) end
  end
  redis.call('PEXPIRE', key, SLICES * SLICE_MS)
end

-- The number of open jobs of a batch has changed: without any, one that is sealed is done.
local function recount_open(batch, by)
  local key = KEY.batch(batch)
  if redis.call('HINCRBY', key, 'open', by) == 0 and redis.call('HGET', key, 'sealed') == '1' then
    redis.call('HSET', key, 'done', now())
  end
end

local function each(book, what)
  local sums = {}
  for i = 1, #books[book], 2 do
    local name = books[book][i]
    sums[name] = (sums[name] or 0) + books[book][i + 1]
  end
  for name, by in pairs(sums) do what(name, by) end
end

-- One entry of the outbox for all endings of a run that nobody waits for; one each for the others, so
-- that what goes wrong in telling one takes no other with it.
local function post()
  if books.ends[1] then redis.call('XADD', KEY.ends(), '*', unpack(books.ends)) end
  for i = 1, #books.awaited, 2 do
    redis.call('XADD', KEY.ends(), '*', books.awaited[i], books.awaited[i + 1])
  end
  if books.shown[1] then redis.call('XADD', KEY.shown(), 'MAXLEN', '~', UNSHOWN, '*', unpack(books.shown)) end
end

-- Is so much waiting to be shown that only endings are worth it?
local is_behind
local function behind()
  if is_behind == nil then is_behind = redis.call('XLEN', KEY.shown()) > BEHIND end
  return is_behind
end

local function begin()
  clock, is_behind, nudged, took = nil, nil, false, false
  fetched, changed, lines = {}, {}, {}
  books = {counts = {}, money = {}, open = {}, pace = {}, eased = {}, ends = {}, awaited = {}, shown = {}}
end

local function close()
  add(summed(books.counts))
  pay_in()
  each('open', recount_open)
  each('pace', keep_pace)
  each('eased', affords_again)
  post()
  if took then redis.call('HSET', KEY.meta(), 'taken', now()) end
  if nudged and redis.call('LLEN', KEY.nudge()) == 0 then redis.call('RPUSH', KEY.nudge(), '1') end
end

-- Run one script; what it changed is written when it returns.
local function run(script, ARGV)
  begin()
  local answer = script(ARGV)
  write_all()
  close()
  return answer
end

-- Forget what a script entered that went wrong.
local function tear_out(before)
  changed, lines, fetched = {}, {}, {}
  for name, entries in pairs(books) do
    for i = #entries, (before[name] or 0) + 1, -1 do entries[i] = nil end
  end
end

-- Run several scripts as one, each with its own answer; one that goes wrong takes no other with it.
-- ARGV: per script: name, number of its arguments, these
local function run_several(scripts, ARGV)
  begin()
  local answers, at = {}, 1
  while ARGV[at] do
    local given, before, count = {}, {}, tonumber(ARGV[at + 1])
    for i = 1, count do given[i] = ARGV[at + 1 + i] end
    for name, entries in pairs(books) do before[name] = #entries end
    local is_well, answer = pcall(scripts[ARGV[at]], given)
    if is_well then
      write_all()
    else
      tear_out(before)
      answer = redis.error_reply(type(answer) == 'table' and answer.err or tostring(answer))
    end
    answers[#answers + 1], at = answer, at + 2 + count
  end
  close()
  return answers
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
