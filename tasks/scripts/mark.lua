-- Mark an empty store with its schema and provider; tell what it is marked with.
-- ARGV: schema, provider, first window
-- returns: schema, provider
local meta = KEY.meta()
redis.call('HSETNX', meta, 'schema', ARGV[1])
redis.call('HSETNX', meta, 'provider', ARGV[2])
redis.call('HSETNX', meta, 'created', now())
redis.call('HSETNX', meta, 'window', ARGV[3])
doubted_until(now())
return redis.call('HMGET', meta, 'schema', 'provider')
