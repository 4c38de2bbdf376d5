-- Keep a body that carries a good token and cannot be understood; let the job it names be polled.
-- ARGV: id from the token, digest of the body, blob, most bodies per id
-- returns: 'kept', 'known' or 'full'
local id, key = ARGV[1], KEY.quarantine(ARGV[1])
if redis.call('HEXISTS', key, ARGV[2]) == 1 then return 'known' end
if redis.call('HLEN', key) >= tonumber(ARGV[4]) then return 'full' end
local t, job = now(), fetch(id)
redis.call('HSET', key, ARGV[2], ARGV[3])
redis.call('ZADD', KEY.quarantined(), t, id)
if job then
  note(id, t, 'quarantine', ARGV[2])
  if not ENDED[job.s] and job.s ~= 'queued' then prompt(job, tonumber(job.a), t) end
end
return 'kept'
