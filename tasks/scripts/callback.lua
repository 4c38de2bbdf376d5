-- One delivery to the callback door: kept by membership, joined where it makes the attempt whole.
-- An error, a twin or a surplus only makes the task due for a poll: a callback alone decides no failure.
-- ARGV: job id, then per item: taskUUID ('' where it names none), kind, digest, cost ('' where not
--       reported) or of an error its code ('' where nobody knows it), blob
-- returns: 'stored', 'known' (nothing new), 'foreign' (names another job's task), 'full' (too much is
--          kept of the attempt: nothing was kept) or 'orphan' (no such job, or no such task of anybody)
local MOST = 32 -- results and errors kept of one attempt; four and theirs are below twenty

-- Is there no more room for an item that is not kept yet?
local function full(job, n, digest)
  local kept = 0
  for _, kind in ipairs({'s', 'x', 'v', 'd'}) do
    if job[kind .. n .. ':' .. digest] then return false end
    kept = kept + select(2, digests(job, kind, n))
  end
  return kept >= MOST
end

-- Is a taskUUID that of any job? If not, it may be of an attempt that the store has lost.
local function is_known(uuid)
  return redis.call('EXISTS', KEY.job(uuid), KEY.task(uuid)) > 0
end

local job = fetch(ARGV[1])
if not job then -- one that was pruned has had its say
  return redis.call('EXISTS', KEY.tombstone(ARGV[1])) == 1 and 'known' or 'orphan'
end
local t, attempts = now(), {}
local is_first = not next(results_of(job))
for i = 2, #ARGV, 5 do
  local n = attempt_of(job, ARGV[i])
  if not n then return is_known(ARGV[i]) and 'foreign' or 'orphan' end
  if not is_first and full(job, n, ARGV[i + 2]) then
    if not ENDED[job.s] then prompt(job, n, t) end
    return 'full'
  end
  attempts[i] = n
end
local fresh, doubtful, told = {}, {}, 'known'

local function keep(kind, n, digest, value, blob)
  set(job, kind .. n .. ':' .. digest, value)
  redis.call('SET', KEY.result(job.id, n) .. ':' .. digest, blob)
end

local function success(n, digest, cost, blob)
  if job['v' .. n .. ':' .. digest] then return end -- a surplus before, and still one
  for _, kind in ipairs({'d', 's'}) do
    local field = kind .. n .. ':' .. digest
    if job[field] then
      if job[field] == '' and cost ~= '' then
        set(job, field, cost)
        weigh(job, n)
      end
      doubtful[n] = true -- told twice, or two alike
      return
    end
  end
  if job['o' .. n] ~= 'completed' then
    keep('s', n, digest, cost, blob)
    fresh[n] = true
    return
  end
  flag(job, 'surplus') -- more than was asked for: kept beside, not believed
  if not job['v' .. n .. ':' .. digest] then
    keep('v', n, digest, '', blob)
    told = 'stored'
  end
end

local function failure(n, named, digest, code, blob)
  -- Only refused so far, the task was never there: this tells of a refusal, too.
  if job.s == 'queued' and job.rf and not job.rs and n == tonumber(job.a) then return end
  doubtful[n] = true
  local is_late = n == tonumber(job.a) and is_of_refusal(job, code)
  if is_late and code ~= '' then return end
  if job['o' .. n] == 'completed' then
    flag(job, 'contradiction')
  elseif not job['d' .. n .. ':' .. digest] and not job['x' .. n .. ':' .. digest] then
    keep('x', n, digest, '', blob)
  end
  -- One that names no task may be an earlier attempt's, told again.
  if n ~= tonumber(job.a) or job.ce or is_late or not (named or n == 1) then return end
  set(job, 'ce', 1, 'em', 0)
  if ENDED[job.s] then return end
  if not job.l then set(job, 'l', t) end
  if job.s == 'queued' then set(job, 'se', 1) end
end

for i = 2, #ARGV, 5 do
  local n, kind = attempts[i], ARGV[i + 1]
  local write_down = is_first and append or note -- the first is no repetition
  write_down(job.id, t, 'callback', kind)
  if kind == 'error' then
    failure(n, ARGV[i] ~= '', ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  elseif kind == 'success' then
    success(n, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  elseif kind == 'processing' and ARGV[i] ~= '' and found(job, n, t, 'by callback') then
    doubtful[n] = true
  end
end
-- Did every callback of attempt n name a cost?
local function priced(job, n)
  for _, digest in ipairs(digests(job, 's', n)) do
    if job['s' .. n .. ':' .. digest] == '' then return false end
  end
  return true
end

for n in pairs(fresh) do
  told = 'stored'
  local ok, loose = weigh(job, n)
  if ok + loose == wanted(job, n) and (ok == 0 or ENDED[job.s]) then
    whole(job, n, t)
    if ok == 0 and not priced(job, n) then ask_for_cost(job, n, t) end
  elseif ok > 0 and not ENDED[job.s] then
    doubtful[n] = true -- the provider has told of some itself: it decides which this is
  elseif ok + loose > wanted(job, n) then
    flag(job, 'surplus')
    doubtful[n] = true
  elseif ENDED[job.s] then
    flag(job, 'late')
  elseif found(job, n, t, 'by callback') then
    doubtful[n] = true -- the POST's answer will be stale, so no first poll is planned
  end
end
for n in pairs(doubtful) do
  if not ENDED[job.s] and not job['e' .. n] then prompt(job, n, t) end
end
return told
