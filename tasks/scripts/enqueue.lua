-- Record rows of an unsealed batch as queued jobs. A job that is there is left as it is.
-- ARGV: batch id, then per row: job id, row number, expected results, content digest,
--       reservation, input blob
-- returns: per row 'added', 'known' (same content) or 'differs' (same custom_id, other content);
--          'sealed', 'cancelling' or 'cancelled' where the batch takes no rows
local batch, t, told, added = ARGV[1], now(), {}, {}
if closed(batch) then return closed(batch) end
for i = 2, #ARGV, 6 do
  local id, row, expected, digest, reservation = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local known = redis.call('HGET', KEY.job(id), 'd')
  if known then
    told[#told + 1] = known == digest and 'known' or 'differs'
  elseif redis.call('EXISTS', KEY.tombstone(id)) == 1 then
    told[#told + 1] = 'known' -- bought before, and pruned
  else
    record(batch, t, id, row, expected, digest, reservation, ARGV[i + 5])
    added[#added + 1] = id
    told[#told + 1] = 'added'
  end
end
if added[1] then
  listed(batch, added)
  redis.call('RPUSH', KEY.queue(batch), unpack(added))
  ready(batch)
  nudge()
end
return told
