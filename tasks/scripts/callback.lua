-- One delivery to the callback door: kept by membership, joined where it makes the attempt whole.
-- An error, a twin or a surplus only makes the task due for a poll: a callback alone decides no failure.
-- ARGV: job id, then per item: taskUUID ('' where it names none), kind, digest, cost ('' where not
--       reported), blob
-- returns: 'stored', 'known' (nothing new), 'foreign' (names another job's task), 'full' (too much is
--          kept of the attempt: nothing was kept) or 'orphan' (no such job)
local MOST = 32 -- fields kept of one attempt; four results and their errors are below twenty

-- Is there no more room for an item that is not kept yet?
local function full(key, digest)
  if redis.call('HLEN', key) < MOST then return false end
  for _, kind in ipairs({'s:', 'x:', 'v:', 'd:'}) do
    if redis.call('HEXISTS', key, kind .. digest) == 1 then return false end
  end
  return true
end

local job = fetch(ARGV[1])
if not job then -- one that was pruned has had its say
  return redis.call('EXISTS', KEY.tombstone(ARGV[1])) == 1 and 'known' or 'orphan'
end
local t, attempts = now(), {}
for i = 2, #ARGV, 5 do
  local n = attempt_of(job, ARGV[i])
  if not n then return 'foreign' end
  if full(KEY.results(job.id, n), ARGV[i + 2]) then
    if not ENDED[job.s] then prompt(job, n, t) end
    return 'full'
  end
  attempts[i] = n
end
local fresh, doubtful, told = {}, {}, 'known'

local function success(n, digest, cost, blob)
  local key = KEY.results(job.id, n)
  local known = redis.call('HEXISTS', key, 'd:' .. digest) + redis.call('HEXISTS', key, 's:' .. digest) > 0
  if job['o' .. n] == 'completed' and not known then -- more than was asked for: kept beside, not believed
    if redis.call('HSETNX', key, 'v:' .. digest, blob) == 1 then told = 'stored' end
    flag(job, 'surplus')
    return
  end
  if cost ~= '' then redis.call('HSETNX', key, 'c:' .. digest, cost) end
  if known or redis.call('HSETNX', key, 's:' .. digest, blob) == 0 then
    doubtful[n] = true -- told twice, or two alike
  else
    fresh[n] = true
  end
end

local function failure(n, named, digest, blob)
  local key = KEY.results(job.id, n)
  doubtful[n] = true
  if job['o' .. n] == 'completed' then
    flag(job, 'contradiction')
  elseif redis.call('HEXISTS', key, 'd:' .. digest) == 0 then
    redis.call('HSETNX', key, 'x:' .. digest, blob)
  end
  -- One that names no task may be an earlier attempt's, told again.
  if n ~= tonumber(job.a) or job.ce or not (named or n == 1) then return end
  set(job, 'ce', 1, 'em', 0)
  if ENDED[job.s] then return end
  if not job.l then set(job, 'l', t) end
  if job.s == 'queued' then set(job, 'se', 1) end
end

for i = 2, #ARGV, 5 do
  local n, kind = attempts[i], ARGV[i + 1]
  note(job.id, t, 'callback', kind)
  if kind == 'error' then
    failure(n, ARGV[i] ~= '', ARGV[i + 2], ARGV[i + 4])
  elseif kind == 'success' then
    success(n, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  elseif kind == 'processing' and ARGV[i] ~= '' and found(job, n, t, 'by callback') then
    doubtful[n] = true
  end
end
for n in pairs(fresh) do
  told = 'stored'
  local ok, loose = weigh(job, n)
  if ok + loose == wanted(job, n) and (ok == 0 or ENDED[job.s]) then
    whole(job, n, t)
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
