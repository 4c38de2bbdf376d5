-- Stands after prelude_moves.lua: the results of attempts, how they are joined, and what they cost.
--
-- Of attempt n the record has a field for each result, by its digest, and the texts are strings of
-- their own: d{n}:digest of the authoritative answer (its blob holds all of them), s{n}:digest that
-- callbacks brought so far (each with a blob), both with the cost that a callback named or ''; without
-- a cost v{n}:digest (a surplus) and x{n}:digest (an error that a callback told of).

-- The names of the fields of results; looked for where first asked for, and kept by `mark`.
local function results_of(job)
  if not job.told then
    local told = {}
    for field in pairs(job) do
      if #field >= LONG then told[field] = true end
    end
    job.told = told
  end
  return job.told
end

-- The digests of one kind ('d', 's', 'v', 'x') that attempt n has, and how many.
local function digests(job, kind, n)
  local prefix, found = kind .. n .. ':', {}
  for field in pairs(results_of(job)) do
    if string.sub(field, 1, #prefix) == prefix then found[#found + 1] = string.sub(field, #prefix + 1) end
  end
  return found, #found
end

-- A result of attempt n is kept no more, or as one of the authoritative answer: its own blob goes.
local function drop(job, kind, n, digest)
  if not job[kind .. n .. ':' .. digest] then return end
  forget(job, kind .. n .. ':' .. digest)
  redis.call('UNLINK', KEY.result(job.id, n) .. ':' .. digest)
end

-- Was anything told of attempt n?
local function told_of(job, n)
  for _, kind in ipairs({'d', 's', 'v', 'x'}) do
    if digests(job, kind, n)[1] then return true end
  end
  return false
end

-- What a job has cost became known after its end: Flower and Celery's caller were told another sum.
local function recosted(job)
  enter(shown, job.id, job.s)
  if job.cy then
    enter(awaited, job.id, table.concat({job.s, 'cost', job.s, job.b, '1'}, '|'))
    nudge()
  end
end

-- An amount of a batch's sum is another.
local function recharge(batch, field, old, new)
  if old ~= '0' then charge_to(batch, field, '-' .. old) end
  if new ~= '0' then charge_to(batch, field, new) end
end

-- Replace what attempt n has cost by the sum of amounts (strings of nano-dollars).
local function charge(job, n, amounts)
  local key, field = KEY.job(job.id), 'm' .. n
  local old, sum = job[field] or '0', amounts[1] or '0'
  if amounts[2] then
    redis.call('HSET', key, field, '0')
    for _, amount in ipairs(amounts) do redis.call('HINCRBY', key, field, amount) end
    sum = redis.call('HGET', key, field)
  end
  if job['ru' .. n] and amounts[1] then -- told after all: it is kept no more
    charge_to(job.b, 'untold', '-' .. job['ru' .. n])
    forget(job, 'ru' .. n)
    affords_again(job.b)
  end
  if sum == old then return end
  set(job, field, sum)
  if old == '0' and not job.m then
    set(job, 'm', sum)
  else
    write(job)
    if old ~= '0' then redis.call('HINCRBY', key, 'm', '-' .. old) end
    redis.call('HINCRBY', key, 'm', sum)
    job.m = redis.call('HGET', key, 'm')
  end
  recharge(job.b, 'cost', old, sum)
  if counts_as_begun(job, job.s) then recharge(job.b, 'begun', old, sum) end
  if ENDED[job.s] then recosted(job) end
end

-- What is known of attempt n: successes of the authoritative answer, provisional successes that it
-- does not hold. Sets the attempt's cost accordingly: the provider's own answer decides it, callbacks
-- where it names none. A surplus over what was asked for is kept but not believed to be a charge.
local function weigh(job, n)
  local ok, cost = tonumber(job['ok' .. n] or '0'), job['c' .. n]
  local loose, provisional = digests(job, 's', n)
  local expected, amounts = wanted(job, n), {cost}
  local function add(kind, known)
    for _, digest in ipairs(known) do
      local amount = job[kind .. n .. ':' .. digest]
      if amount ~= '' then amounts[#amounts + 1] = amount end
    end
  end
  if not cost then add('d', digests(job, 'd', n)) end
  if ok + provisional <= expected then add('s', loose) end
  -- A surplus beside a part: nobody can tell which is charged, so it stays as it was.
  if ok + provisional <= expected or ok >= expected then charge(job, n, amounts) end
  return ok, provisional
end

-- The attempt that a job's next one can build on, and how many results it has with those it builds
-- on itself; nil and 0 where there are none.
local function kept(job)
  local function have(n)
    local ok, loose = weigh(job, n)
    local before = job['h' .. n]
    return math.min(ok + loose, wanted(job, n)) + (before and have(tonumber(before)) or 0)
  end
  if job.w then return tonumber(job.w), have(tonumber(job.w)) end
  local best, most = nil, 0
  for n = 1, tonumber(job.a) do -- late ones, of a job that had ended
    local count = job['e' .. n] and have(n) or 0
    if count > most then best, most = n, count end
  end
  return best, most
end

-- Every result of attempt n is here: an error that a callback brought beside them is none of it.
local function contradict(job, n)
  for _, digest in ipairs(digests(job, 'x', n)) do
    drop(job, 'x', n, digest)
    flag(job, 'contradiction')
  end
end

-- Do late results of attempt n become the job's, though it stays ended as it is?
local function adds(job, n)
  return not job.w or (job.s ~= 'completed' and job.w == job['h' .. n])
end

-- Every result of attempt n is here. The first attempt to be whole ends the job.
local function whole(job, n, t)
  over(job, n, t, 'completed')
  contradict(job, n)
  if job.w == tostring(n) and not MOVES.complete[job.s] then return end -- told before
  local was_ended = ENDED[job.s]
  if MOVES.complete[job.s] then
    set(job, 'w', n)
    forget(job, 'ec')
    move(job, 'complete', t, 'attempt ' .. n)
  elseif adds(job, n) then
    set(job, 'w', n)
  else
    flag(job, 'superseded')
  end
  if was_ended then
    flag(job, 'late')
    note(job.id, t, 'late', 'attempt ' .. n)
  end
end

-- The provider has told of some results of attempt n itself, and that so many of the others failed. What
-- callbacks alone brought beyond the rest is some of those, told a little differently: kept beside, and a
-- cost that only they named is that of the result which they told.
local function leave_out(job, n, failed)
  if job['o' .. n] == 'completed' then return end
  local loose, count = digests(job, 's', n)
  local room = wanted(job, n) - tonumber(job['ok' .. n] or '0') - failed
  if (job['ok' .. n] or '0') == '0' or count <= room then return end
  table.sort(loose)
  local told = digests(job, 'd', n)
  for i = math.max(room, 0) + 1, count do
    local amount = job['s' .. n .. ':' .. loose[i]]
    for _, digest in ipairs(amount ~= '' and told or {}) do
      local field = 'd' .. n .. ':' .. digest
      if job[field] == '' then
        set(job, field, amount)
        break
      end
    end
    forget(job, 's' .. n .. ':' .. loose[i])
    set(job, 'v' .. n .. ':' .. loose[i], '')
  end
  flag(job, 'surplus')
  weigh(job, n)
end

-- No more is waited for of attempt n: end the job with the results that are here, by whatever road.
-- False where there is none. Where its task may still run, it keeps its slot and stays due, and where the
-- provider told of some results itself it decides what callbacks brought beside them.
local function concluded(job, n, t, may_run)
  local ok, loose = weigh(job, n)
  if ok + (may_run and ok > 0 and 0 or loose) >= wanted(job, n) then
    whole(job, n, t)
    return true
  end
  if ok + loose == 0 then return false end
  if not may_run then over(job, n, t, 'partial') end
  if n == tonumber(job.a) and MOVES.complete_partly[job.s] then
    set(job, 'w', n)
    -- An earlier attempt's: this one's stand beside its results.
    if not may_run then redis.call('UNLINK', KEY.failure(job.id)) end
    move(job, 'complete_partly', t, 'attempt ' .. n)
  elseif ENDED[job.s] then
    flag(job, 'late')
    if adds(job, n) then set(job, 'w', n) end
  end
  return true
end

-- Attempt n has results, and the provider has named no cost with any: it is asked for.
local function ask_if_untold(job, n, t)
  if not job['c' .. n] and (job['m' .. n] or '0') == '0' then ask_for_cost(job, n, t) end
end

-- Keep an authoritative (getResponse) answer for attempt n in place of the provisional set, and end
-- the job where its results say so. True where nothing is left to decide about the attempt. While
-- the provider says that more is running, only its own results count: one that a callback brought
-- may be one of them, told a little differently.
-- answer: blob, ok, failed, cost, final ('1' or '0'), code, digests
local function joined(job, n, t, answer)
  forget(job, 'l' .. n)
  local waits = job.s == 'queued' and n == tonumber(job.a) and answer.final == '1'
  if waits and answer.ok == 0 then -- decided when it is looked for again: what accuses it is kept
    found(job, n, t, '')
    return true
  end
  local had = tonumber(job['ok' .. n] or '0')
  if answer.ok >= had then -- it is cumulative
    local costs = {}
    for _, digest in ipairs(digests(job, 'd', n)) do
      costs[digest] = job['d' .. n .. ':' .. digest]
      forget(job, 'd' .. n .. ':' .. digest)
    end
    redis.call('SET', KEY.result(job.id, n), answer.blob)
    set(job, 'ok' .. n, answer.ok)
    for _, digest in ipairs(answer.digests) do
      set(job, 'd' .. n .. ':' .. digest, costs[digest] or job['s' .. n .. ':' .. digest] or '')
      for _, kind in ipairs({'s', 'x', 'v'}) do drop(job, kind, n, digest) end
    end
    if answer.cost ~= '' then set(job, 'c' .. n, answer.cost) end -- else not told: as before
  end
  local ok, loose = weigh(job, n)
  if ok + loose > wanted(job, n) then flag(job, 'surplus') end
  if ok >= wanted(job, n) then
    whole(job, n, t)
    ask_if_untold(job, n, t)
    return true
  end
  if answer.final ~= '1' then return false end
  if waits then -- the rest is decided then, too
    found(job, n, t, '')
    return true
  end
  if n == tonumber(job.a) and not ENDED[job.s] and answer.code ~= '' then set(job, 'ec', answer.code) end
  local was_over = job['o' .. n] == 'partial' and answer.ok == had -- only its cost was asked for
  leave_out(job, n, answer.failed)
  if was_over then over(job, n, t, 'partial') end
  if was_over or concluded(job, n, t) then
    ask_if_untold(job, n, t)
    return true
  end
  over(job, n, t, 'failed')
  return ENDED[job.s] ~= nil or n ~= tonumber(job.a)
end

-- Read the answer of `joined` from ARGV[first] on: blob, numbers of results and of errors, cost, final,
-- code of its first error or '', digests to the end.
local function answer_from(ARGV, first)
  local answer = {
    blob = ARGV[first], ok = tonumber(ARGV[first + 1]), failed = tonumber(ARGV[first + 2]),
    cost = ARGV[first + 3], final = ARGV[first + 4], code = ARGV[first + 5], digests = {},
  }
  for i = first + 6, #ARGV do answer.digests[#answer.digests + 1] = ARGV[i] end
  return answer
end
