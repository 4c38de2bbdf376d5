-- Record the job of one Celery message. Its batch takes such jobs one by one and is sealed all the while;
-- it is created where there is none of this name. A job that is there is left as it is; but a message that
-- wants other things than those before it is kept beside them, one a line, and is told when the job ends;
-- where that was before and all were answered, or the answer has expired, it is told at once.
-- ARGV: batch name, batch id, priority, digest and blob of the request part that rows share, job id,
--       expected results, content digest, reservation, input blob, Celery's id, what is kept of the message,
--       digest of what it wants ('': the result alone), most messages that are kept
-- returns: 'added', 'known' (same content, nothing new is wanted), 'joined' (kept beside others),
--          'again' (told at once), 'differs', 'crowded' (too many are kept), 'pruned' (it was here before)
--          or 'cancelling' (the batch is)
local DAY_MS = 86400000 -- each day has a batch of its own
local name, id, celery_id = ARGV[1], ARGV[6], ARGV[11]
local t, batch = now(), redis.call('HGET', KEY.names(), name)
local known, state, home = unpack(redis.call('HMGET', KEY.job(id), 'd', 's', 'b'))
if known and known ~= ARGV[8] then return 'differs' end
if known then
  local kept = redis.call('GET', KEY.caller(id))
  if not kept then return 'known' end -- of a manifest
  local _, others = string.gsub(kept, '\n', '')
  local is_known = ARGV[13] == '' or string.find(kept, ARGV[13], 1, true)
  if ENDED[state] and others == 0 and string.find(kept, '{"answered"', 1, true) == 1 then
    if is_known and redis.call('EXISTS', RESULT .. celery_id) == 1 then return 'known' end
    redis.call('SET', KEY.caller(id), ARGV[12])
    enter(awaited, id, table.concat({state, 'call', state, home, '1'}, '|'))
    nudge()
    return 'again'
  end
  if is_known then return 'known' end
  if others + 1 >= tonumber(ARGV[14]) then return 'crowded' end
  redis.call('SET', KEY.caller(id), kept .. '\n' .. ARGV[12])
  return 'joined'
end
if redis.call('EXISTS', KEY.tombstone(id)) == 1 then return 'pruned' end
if not batch then
  batch = ARGV[2]
  create(batch, name, ARGV[3], t)
  redis.call('HSET', KEY.batch(batch), 'sealed', 1)
  -- A message comes again whose job, batch and POST a lost history had.
  if doubted_until(t) > t - DAY_MS then redis.call('HSET', KEY.batch(batch), 'doubt', 0) end
elseif redis.call('HEXISTS', KEY.batch(batch), 'cancelling') == 1 then
  return 'cancelling'
end
redis.call('HSET', KEY.shared(batch), ARGV[4], ARGV[5])
local row = redis.call('HGET', KEY.batch(batch), 'total') + 1
record(batch, t, id, row, ARGV[7], ARGV[8], ARGV[9], ARGV[10])
redis.call('HSET', KEY.job(id), 'cy', celery_id)
redis.call('SET', KEY.caller(id), ARGV[12])
listed(batch, {id})
redis.call('RPUSH', KEY.queue(batch), id)
ready(batch)
nudge()
return 'added'
