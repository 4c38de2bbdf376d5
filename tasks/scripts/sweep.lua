-- What time alone decides: leases that ran out (submitting -> resolving), not-before times that have
-- come, slots past their bound, pauses due for a probe. At most 100 of each.
-- ARGV: none
-- returns: leases, delayed jobs, slots, pauses dealt with
local t = now()
local function past(key)
  return redis.call('ZRANGE', key, '-inf', t, 'BYSCORE', 'LIMIT', 0, 100)
end
local lost, delayed = past(KEY.leases()), past(KEY.later())
for _, id in ipairs(lost) do
  redis.call('ZREM', KEY.leases(), id)
  local job = fetch(id)
  if job and move(job, 'lose', t, 'lease ran out') then
    set(job, 'l', t, 'ls', job.ls or t, 'em', 0)
    set(job, 'ec', '')
    redis.call('ZADD', KEY.due(), 'LT', t, task_uuid(job, tonumber(job.a)))
  end
end
for _, id in ipairs(delayed) do
  redis.call('ZREM', KEY.later(), id)
  local job = fetch(id)
  if job and job.s == 'queued' then requeue(job, t, t) end
end
local slots = past(KEY.slots())
for _, uuid in ipairs(slots) do
  redis.call('ZREM', KEY.slots(), uuid)
  local named = redis.call('GET', KEY.task(uuid))
  local job = fetch(named and string.match(named, '^(.+):') or uuid)
  -- Long past its deadline it should have ended: nobody has asked for it.
  if job and ACTIVE[job.s] then redis.call('ZADD', KEY.due(), 'NX', t, uuid) end
end
local probes = past(KEY.paused())
for _, id in ipairs(probes) do
  redis.call('ZREM', KEY.paused(), id)
  redis.call('HDEL', id == '*' and KEY.meta() or KEY.batch(id), 'paused')
  if id ~= '*' and redis.call('EXISTS', KEY.queue(id)) == 1 then ready(id) end
end
if #lost + #delayed + #slots + #probes > 0 then nudge() end
return {#lost, #delayed, #slots, #probes}
