-- Stands after prelude_books.lua: the moves, and what each brings with it.

-- A job has ended, or its ending was amended: the outbox entry, and the batch's end.
local function ended(job, from, event, t)
  set(job, 'e', t)
  local told = table.concat({job.s, event, from, job.b, job.cy and '1' or ''}, '|')
  enter(job.cy and awaited or ends, job.id, told)
  nudge()
  if ENDED[from] then return end
  if from == 'submitting' and not job['e' .. job.a] then
    -- Nobody waits for its POST's answer any more: after the lease a poll finds what that bought.
    local at = redis.call('ZSCORE', KEY.leases(), job.id) or t
    redis.call('ZADD', KEY.due(), 'NX', at, task_uuid(job, tonumber(job.a)))
  end
  if from == 'submitting' then redis.call('ZREM', KEY.leases(), job.id) end
  if from == 'queued' then redis.call('ZREM', KEY.later(), job.id) end
end

-- A job that had ended goes on, and its batch with it.
local function reopened(job)
  forget(job, 'e')
  redis.call('HDEL', KEY.batch(job.b), 'done', 'cancelled')
end

-- Celery's caller of a job sees where it stands; what becomes of it in the end, the outbox tells.
local function tell_caller(job, event)
  local status, result = CELERY[job.s], 'null'
  if event == 'again' or event == 'retry' then
    status, result = 'RETRY', '{"exc_type":"Retry","exc_message":["attempt ' .. job.a .. '"],"exc_module":"celery.exceptions"}'
  end
  redis.call('SET', RESULT .. job.cy, '{"status":"' .. status .. '","result":' .. result ..
    ',"traceback":null,"children":[],"date_done":null,"task_id":' .. cjson.encode(job.cy) .. '}', 'EX', CALLER_TOLD)
end

-- Did a callback name what a result of attempt n cost? It may be nothing.
local function is_priced(job, n)
  for field, cost in pairs(job) do
    if cost ~= '' and string.find(field, '^[sd]' .. n .. ':') then return true end
  end
  return false
end

-- Does a job end with results, of whose last attempt no cost was told? Of a batch with a limit the
-- reservation that was made for it is kept.
local function is_bought_untold(job, to)
  if to ~= 'completed' and to ~= 'partial' then return false end
  if job['c' .. job.a] or (job['m' .. job.a] or '0') ~= '0' then return false end
  return not is_priced(job, job.a)
end

-- Does what a job has cost stand in its batch's sum of what open jobs have cost so far? Those of several
-- results do, for that of one mostly has its cost with its end.
local function counts_as_begun(job, state)
  return job.n ~= '1' and not ENDED[state]
end

local function begin_or_end_cost(job, from, to)
  if (job.m or '0') == '0' then return end
  local was, is = counts_as_begun(job, from), counts_as_begun(job, to)
  if was and not is then charge_to(job.b, 'begun', '-' .. job.m) end
  if is and not was then charge_to(job.b, 'begun', job.m) end
end

-- One move along the table; false, and nothing done, where the table has no such edge.
local function move(job, event, t, detail)
  local from, to = job.s, MOVES[event][job.s]
  if not to then return false end
  if to == from then
    note(job.id, t, event, detail)
  else
    append(job.id, t, event, detail)
    enter(moved, job.b, from, to)
    if (job.rv or '0') ~= '0' then
      if ACTIVE[to] and not ACTIVE[from] then charge_to(job.b, 'reserved', job.rv) end
      if ACTIVE[from] and not ACTIVE[to] then
        charge_to(job.b, 'reserved', '-' .. job.rv)
        if job.ro and is_bought_untold(job, to) then
          charge_to(job.b, 'untold', job.rv)
          set(job, 'ru' .. job.a, job.rv)
        end
      end
    end
    begin_or_end_cost(job, from, to)
    set(job, 's', to)
    if job.fc then absolve(job) end
    if LACKING[to] then blame(job) end
    if job.cy and not ENDED[to] then tell_caller(job, event) end
    if SHOWN[event] and not (PASSING[event] and behind()) then enter(shown, job.id, to) end
  end
  recount_parked(job)
  if ENDED[to] then ended(job, from, event, t) end
  if ENDED[from] and not ENDED[to] then reopened(job) end
  return true
end

-- Nothing more comes of the current attempt: the job fails or expires, or is partial again where
-- the attempt was for what it lacked.
local function give_up(job, event, t, detail)
  if job['h' .. job.a] and MOVES[event][job.s] then event = 'complete_partly' end
  move(job, event, t, detail)
end

-- Is the claim that this answer belongs to still the job's claim?
local function held(job, token)
  return job and job.s == 'submitting' and job.t == token
end

-- The claim's POST bought nothing, but its job has ended meanwhile, and may wait for the next attempt
-- already: no task of it is running, unless an earlier POST bought one.
local function unbought(job, token)
  if not job or job.t ~= token or job.rs then return end
  local n = tonumber(job.a)
  if job.s == 'queued' and n > 1 and not job['u' .. n] then
    n = n - 1
  elseif not ENDED[job.s] then
    return
  end
  local uuid = task_uuid(job, n)
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

local function requeue(job, t, not_before)
  if not_before > t then
    redis.call('ZADD', KEY.later(), not_before, job.id)
  else
    redis.call('LPUSH', KEY.queue(job.b), job.id)
    ready(job.b)
  end
  nudge()
end

-- The codes with which POSTs of the attempt were refused, for their callbacks may come late.
local function refused_with(job, code)
  local known = job.rc or ''
  if string.find(',' .. known .. ',', ',' .. code .. ',', 1, true) then return end
  local all = known == '' and code or known .. ',' .. code
  set(job, 'rc', #all <= WORD and all or code)
end

-- Does an error tell of such a refusal? `code` is '' where nobody knows it: that refusal's may have been
-- told by its status alone.
local function is_of_refusal(job, code)
  if not job.rf then return false end
  return code == '' or string.find(',' .. (job.rc or '') .. ',', ',' .. code .. ',', 1, true) ~= nil
end

-- The job goes on with its next attempt, of which nothing is known.
local function next_attempt(job, uuid)
  local n = tonumber(job.a) + 1
  redis.call('SET', KEY.task(uuid), job.id .. ':' .. n)
  if job.l and not job['e' .. job.a] then set(job, 'l' .. job.a, '') end
  set(job, 'a', n, 'i' .. n, uuid)
  for _, field in ipairs({'em', 'l', 'ls', 'x', 'xc', 'xt', 'rs', 'po', 'rf', 'rc', 'pb', 'ce', 'se'}) do forget(job, field) end
  unflag(job, 'parked')
end

-- The attempt lacks what its job lacked before: n{k} results, beside those of attempt h{k}.
local function beside(job, n, base, missing)
  set(job, 'n' .. n, missing, 'h' .. n, base)
end

-- Let the attempt be polled soon: something was delivered that only a poll can decide.
local function prompt(job, n, t)
  local at = math.min(t + PROMPT_MS, math.max(t, tonumber(job.lp or '0') + PROMPT_MS))
  set(job, 'lp', at)
  redis.call('ZADD', KEY.due(), 'LT', at, task_uuid(job, n))
  nudge()
end

-- Is nobody waiting for a task any more, and its time over? That of a job the user gave up is looked
-- for as long as it may run, whether or not it holds a slot; that whose cost is not known, for a while.
local function forsaken(job, uuid, t)
  if not ENDED[job.s] or tonumber(job.cu or '0') > t then return false end
  return not redis.call('ZSCORE', KEY.slots(), uuid)
end

-- All of the attempt is here, and what it cost is not: let the provider be asked, less and less often.
local function ask_for_cost(job, n, t)
  local since = tonumber(job['ca' .. n] or t)
  local till, wait = since + COST_MS, math.max(PROMPT_MS, t - since)
  if t + wait > till then return end
  set(job, 'ca' .. n, since, 'cu', math.max(till, tonumber(job.cu or '0')))
  redis.call('ZADD', KEY.due(), t + wait, task_uuid(job, n))
  nudge()
end

-- Is the attempt being sent again right now? Then a failure told of it may be that of the POST before, and
-- this one may be bought all the same: nothing is decided before it was answered.
local function is_resent(job, n, t)
  if job.s ~= 'submitting' or not job.rs or n ~= tonumber(job.a) then return false end
  redis.call('ZADD', KEY.due(), redis.call('ZSCORE', KEY.leases(), job.id) or t + PROMPT_MS, task_uuid(job, n))
  return true
end

-- When to poll again: as planned, unless something was delivered after the poll was sent.
local function schedule(job, n, t, sent, planned)
  if tonumber(job.lp or '0') > sent then planned = math.min(planned, t + PROMPT_MS) end
  local uuid = task_uuid(job, n)
  if forsaken(job, uuid, t) then
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

-- A poll gave this error: how often in a row, and since when?
local function sight(job, signature, t)
  if job.x == signature then
    set(job, 'xc', tonumber(job.xc) + 1)
  else
    set(job, 'x', signature, 'xc', 1, 'xt', t)
  end
end

-- An answer to a poll older than one already applied says nothing.
local function stale(job, seq)
  if tonumber(seq) < tonumber(job.p or '0') then return true end
  set(job, 'p', seq)
  return false
end

-- Is a job that has ended still asked for? Results of it may come yet, or what it cost.
local function is_looked_for(job, t)
  if tonumber(job.cu or '0') <= t then return false end
  for n = 1, tonumber(job.a) do
    if redis.call('ZSCORE', KEY.due(), task_uuid(job, n)) then return true end
  end
  return false
end

-- Does the provider perhaps have a task of the job? It holds a slot until it is known to be over.
local function at_provider(job)
  for n = 1, tonumber(job.a) do
    if redis.call('ZSCORE', KEY.slots(), task_uuid(job, n)) then return true end
  end
  return false
end

-- The user gives a job up. Its task cannot be stopped: it keeps its slot and is polled, so that late
-- results are kept, costed and flagged. One that may have been sent in a lost history is looked for, too,
-- until silence tells that it was not, and holds no slot: of the kept one it is known that it was not sent.
-- 'sent' (perhaps), 'unsent', or 'ended' where it has ended before.
local function cancel(job, t, bound)
  local n = tonumber(job.a)
  local uuid, may_run = task_uuid(job, n), ACTIVE[job.s] or job.se or job.rs
  local is_unclear = may_run and job.s ~= 'processing' and not job.l
  local is_doubtful = not may_run and may_be_sent(job.b, t)
  if not move(job, 'cancel', t, 'by the user') then return 'ended' end
  if is_unclear then set(job, 'l', t, 'em', 0) end
  if may_run then redis.call('ZADD', KEY.slots(), 'GT', t + bound, uuid) end
  if may_run or is_doubtful then
    set(job, 'cu', t + bound)
    redis.call('ZADD', KEY.due(), 'NX', t, uuid)
  end
  if is_doubtful then forget(job, 'u' .. n) end
  return (is_doubtful or at_provider(job)) and 'sent' or 'unsent'
end
