-- Stands after prelude.lua: the books of a run. Moves, money, endings and what is to be shown are
-- collected and written once, when the run ends: a run of many scripts (several) writes each sum once.

local SLICE_MS = 10000    -- endings are counted by slices of time,
local SLICES = 60         -- of which so many are kept
local PURE = 12           -- digits up to which a double adds amounts exactly, a thousand of them

-- Of one run, lists: moves as batch, state before, state; other counters as batch, field, by; money as
-- batch, field, digits; endings, and those that somebody waits for, as job, what is told of it; moves to
-- show as job, state.
local moved, counted, money, ends, awaited, shown
local nudged, took

local function nudge()
  nudged = true
end

-- Put three things, or two, at the end of a list.
local function enter(list, one, two, three)
  local size = #list
  list[size + 1], list[size + 2], list[size + 3] = one, two, three
end

-- Sums by batch and field, to be added to, or those of one batch.
local function of(sums, batch)
  local own = sums[batch]
  if not own then
    own = {}
    sums[batch] = own
  end
  return own
end

local function add(own, field, by)
  own[field] = (own[field] or 0) + by
end

-- Sums over all batches; mostly there is one.
local function over_all(sums)
  local one, own = next(sums)
  if not one or not next(sums, one) then return own or {} end
  local all = {}
  for _, each in pairs(sums) do
    for field, by in pairs(each) do add(all, field, by) end
  end
  return all
end

local function write_sums(key, sums)
  for field, by in pairs(sums) do
    if by ~= 0 then redis.call('HINCRBY', key, field, string.format('%.0f', by)) end
  end
end

-- Money is digits that only HINCRBY adds, but for sums that a double holds exactly.
local function charge_to(batch, field, digits)
  if #digits <= PURE then return enter(money, batch, field, digits) end
  redis.call('HINCRBY', KEY.batch(batch), field, digits)
  if field == 'cost' then redis.call('HINCRBY', KEY.counts(), field, digits) end
end

-- Write what money was collected, for a script that is to read a sum.
local function pay_in()
  local sums, cost = {}, 0
  for i = 1, #money, 3 do
    local digits = tonumber(money[i + 2])
    add(of(sums, money[i]), money[i + 1], digits)
    if money[i + 1] == 'cost' then cost = cost + digits end
  end
  for batch, own in pairs(sums) do write_sums(KEY.batch(batch), own) end
  write_sums(KEY.counts(), {cost = cost})
  money = {}
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

-- Write what was counted. A batch whose jobs leave the provider, or the queue for good, may afford others
-- again; one of which jobs ended, or go on, has other open ones than before.
local function count_up()
  local sums, open, pace, eased = {}, {}, {}, {}
  for i = 1, #counted, 3 do
    add(of(sums, counted[i]), counted[i + 1], counted[i + 2])
  end
  for i = 1, #moved, 3 do
    local batch, from, to = moved[i], moved[i + 1], moved[i + 2]
    local own = of(sums, batch)
    add(own, COUNTER[from], -1)
    add(own, COUNTER[to], 1)
    if ENDED[to] and not ENDED[from] then
      add(open, batch, -1)
      if to ~= 'cancelled' then add(pace, batch, 1) end
    end
    if ENDED[from] and not ENDED[to] then add(open, batch, 1) end
    local has_left = ACTIVE[from] and not ACTIVE[to] or from == 'queued' and ENDED[to]
    if has_left then eased[batch] = true end
  end
  for batch, own in pairs(sums) do write_sums(KEY.batch(batch), own) end
  write_sums(KEY.counts(), over_all(sums))
  for batch, by in pairs(open) do recount_open(batch, by) end
  for batch, by in pairs(pace) do keep_pace(batch, by) end
  for batch in pairs(eased) do affords_again(batch) end
end

-- One entry of the outbox for all endings of a run that nobody waits for; one each for the others, so
-- that what goes wrong in telling one takes no other with it.
local function post()
  if ends[1] then redis.call('XADD', KEY.ends(), '*', unpack(ends)) end
  for i = 1, #awaited, 2 do redis.call('XADD', KEY.ends(), '*', awaited[i], awaited[i + 1]) end
  if shown[1] then redis.call('XADD', KEY.shown(), 'MAXLEN', '~', UNSHOWN, '*', unpack(shown)) end
end

-- Is so much waiting to be shown that only endings are worth it?
local is_behind
local function behind()
  if is_behind == nil then is_behind = redis.call('XLEN', KEY.shown()) > BEHIND end
  return is_behind
end

local function begin()
  clock, is_behind, nudged, took = nil, nil, false, false
  fetched, doubtful, changed, lines = {}, {}, {}, {}
  moved, counted, money, ends, awaited, shown = {}, {}, {}, {}, {}, {}
end

local function close()
  count_up()
  pay_in()
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

-- Forget what a script entered that went wrong: lists, and how long they were before.
local function tear_out(...)
  local given = {...}
  changed, lines, fetched = {}, {}, {}
  for i = 1, #given, 2 do
    for at = #given[i], given[i + 1] + 1, -1 do given[i][at] = nil end
  end
end

-- Part of a list. Of a long one `unpack` makes an error.
local function slice(list, first, last)
  local part = {}
  for i = first, last do part[#part + 1] = list[i] end
  return part
end

-- Run several scripts as one, each with its own answer; one that goes wrong takes no other with it.
-- ARGV: per script: name, number of its arguments, these
local function run_several(scripts, ARGV)
  begin()
  local answers, at = {}, 1
  while ARGV[at] do
    local last = at + 1 + tonumber(ARGV[at + 1])
    local moves, counts, sums, told, called, seen = #moved, #counted, #money, #ends, #awaited, #shown
    local is_well, answer = pcall(function()
      local said = scripts[ARGV[at]](slice(ARGV, at + 2, last))
      write_all()
      return said
    end)
    if not is_well then
      tear_out(moved, moves, counted, counts, money, sums, ends, told, awaited, called, shown, seen)
      answer = redis.error_reply(type(answer) == 'table' and answer.err or tostring(answer))
    end
    answers[#answers + 1], at = answer, last + 1
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
    enter(counted, job.b, 'parked', 1)
  elseif job.pk and not parked then
    forget(job, 'pk')
    enter(counted, job.b, 'parked', -1)
  end
end
