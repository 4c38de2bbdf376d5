-- One delivery to the callback door: kept by membership, joined where it makes the attempt whole.
-- An error, a twin or a surplus only makes the task due for a poll: a callback alone decides no failure.
-- ARGV: job id, then per item: taskUUID ('' where it names none), kind, digest, cost ('' where not
--       reported), blob
-- returns: 'stored', 'known' (nothing new), 'foreign' (names another job's task) or 'orphan' (no such job)
local job = fetch(ARGV[1])
if not job then return 'orphan' end
local t, attempts = now(), {}
for i = 2, #ARGV, 5 do
  attempts[i] = attempt_of(job, ARGV[i])
  if not attempts[i] then return 'foreign' end
end
local fresh, doubtful = {}, {}
for i = 2, #ARGV, 5 do
  local n, kind, digest = attempts[i], ARGV[i + 1], ARGV[i + 2]
  local key = KEY.results(job.id, n)
  note(job.id, t, 'callback', kind)
  if kind == 'success' then
    if redis.call('HEXISTS', key, 'd:' .. digest) == 1 then
      doubtful[n] = true
    elseif redis.call('HSETNX', key, 's:' .. digest, ARGV[i + 4]) == 1 then
      if ARGV[i + 3] ~= '' then redis.call('HSET', key, 'c:' .. digest, ARGV[i + 3]) end
      fresh[n] = true
    else
      doubtful[n] = true
    end
  elseif kind == 'error' then
    if redis.call('HEXISTS', key, 'd:' .. digest) == 0 then
      redis.call('HSETNX', key, 'x:' .. digest, ARGV[i + 4])
    end
    if n == tonumber(job.a) then set(job, 'ce', 1, 'em', 0) end
    doubtful[n] = true
  end
end
local told = 'known'
for n in pairs(fresh) do
  told = 'stored'
  local ok, loose = weigh(job, n)
  if ok + loose == tonumber(job.n) then
    whole(job, n, t)
  elseif ok + loose > tonumber(job.n) then
    flag(job, 'surplus')
    doubtful[n] = true
  elseif ENDED[job.s] then
    flag(job, 'late')
  end
end
for n in pairs(doubtful) do
  if not ENDED[job.s] and not job['e' .. n] then prompt(job, n, t) end
end
return told
