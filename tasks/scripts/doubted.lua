-- Until when may the store have had a history that it has lost?
-- ARGV: none
-- returns: ms; 0 where it has been the same server and history all along
return doubted_until(now())
