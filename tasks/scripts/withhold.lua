-- Record rows of an unsealed batch that cannot be sent, because a file of theirs could not be uploaded:
-- queued -> failed. A job that is there is left as it is.
-- ARGV: batch id, then per row as of enqueue.lua, and its failure (JSON)
-- returns: per row 'added' or 'known'; 'sealed', 'cancelling' or 'cancelled' where the batch takes no rows
local batch, t, told = ARGV[1], now(), {}
if closed(batch) then return closed(batch) end
for i = 2, #ARGV, 7 do
  local id = ARGV[i]
  if redis.call('EXISTS', KEY.job(id), KEY.tombstone(id)) > 0 then
    told[#told + 1] = 'known' -- or bought before, and pruned
  else
    record(batch, t, id, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
    listed(batch, {id})
    local job = fetch(id)
    set(job, 'ec', 'uploadFailed')
    redis.call('SET', KEY.failure(id), ARGV[i + 6])
    move(job, 'withhold', t, 'uploadFailed')
    told[#told + 1] = 'added'
  end
end
return told
