-- Remember that the callers of a job were served, unless another message of it has come meanwhile.
-- ARGV: job id, what was kept of the messages that were served, what is kept from now on
-- returns: 1, or 0 where another has come, or the job was removed
if redis.call('GET', KEY.caller(ARGV[1])) ~= ARGV[2] then return 0 end
redis.call('SET', KEY.caller(ARGV[1]), ARGV[3])
return 1
