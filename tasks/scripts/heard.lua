-- A poll was answered. Was none for long before it, that is a gap: no deadline counts it.
-- ARGV: when the poll was sent in ms, least ms of a gap
-- returns: the last gaps, in pairs of ms
local MOST = 16 -- numbers of all that are kept; a task whose time they lie in is polled all along else
local sent, least = tonumber(ARGV[1]), tonumber(ARGV[2])
local last, told = unpack(redis.call('HMGET', KEY.meta(), 'heard', 'gaps'))
local gaps = {}
last = tonumber(last or '0') -- nobody was heard of before
for moment in string.gmatch(told or '', '%d+') do gaps[#gaps + 1] = tonumber(moment) end
if sent > last then redis.call('HSET', KEY.meta(), 'heard', ARGV[1]) end
if sent - last >= least then
  gaps[#gaps + 1], gaps[#gaps + 2] = last, sent
  while #gaps > MOST do table.remove(gaps, 1) end
  local written = {}
  for i, moment in ipairs(gaps) do written[i] = string.format('%.0f', moment) end
  redis.call('HSET', KEY.meta(), 'gaps', table.concat(written, ' '))
end
return gaps
