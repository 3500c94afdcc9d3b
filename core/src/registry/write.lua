-- Changes entries of the registry: all of them or none. Runs unchanged on Redis 6.2 and 7, and on Valkey 8 and 9.
--
--   EVALSHA <sha> 4 <entries> <changes> <meta> <audit>  <who> <what>  (name, expected, JSON or empty to remove)*
--   expected  the version of the entry that was read; 0: it must not be there; `-`: whatever it is
--   reply     ['done', version of the last change] | ['changed', name, version it has (0: it is not there)] | ['refused', name, why]
--
-- A version is at least the server's clock in microseconds, and nobody writes faster than that. So after an older backup was brought back, or a failover that lost a second, the
-- next change is newer than all that any Envoy knows. What is the same as before is a change all the same: it is sent once more.
local NAME, ENTRY, AUDIT = 512, 4096, 100000
local MOST = {key = 200000, limit = 10000, team = 10000}
local KEPT, SWEPT = 7 * 86400e6, 128 -- how long a removal is remembered; entries that are looked at for that

if redis.replicate_commands then redis.replicate_commands() end
local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]
local function int(x) return string.format('%.0f', x) end

if #ARGV < 5 or (#ARGV - 2) % 3 ~= 0 then error('bad arguments') end
local meta = redis.call('HMGET', KEYS[3], 'version', 'floor', 'swept', 'key', 'limit', 'team')
local version, floor, swept = tonumber(meta[1] or 0), tonumber(meta[2] or 0), tonumber(meta[3] or 0)
local counts = {key = tonumber(meta[4] or 0), limit = tonumber(meta[5] or 0), team = tonumber(meta[6] or 0)}

-- ## nothing is written before all of it was looked at
local before, seen = {}, {}
for at = 3, #ARGV, 3 do
  local name, expected, json = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local kind = string.match(name, '^(%a+)/.')
  if not MOST[kind] then return {'refused', name, 'a name begins with key/, limit/ or team/'} end
  if #name > NAME then return {'refused', name, 'a name has at most ' .. NAME .. ' bytes'} end
  if #json > ENTRY then return {'refused', name, 'an entry has at most ' .. ENTRY .. ' bytes'} end
  if seen[name] then return {'refused', name, 'an entry can be changed once at a time'} end
  seen[name] = true
  local entry = redis.call('HGET', KEYS[1], name)
  local has, old = string.match(entry or '', '^(%d+) (.*)$')
  before[name] = old
  has = has or '0'
  if expected ~= '-' and tonumber(expected) ~= tonumber(has) then return {'changed', name, has} end
  if old and json == '' then counts[kind] = math.max(0, counts[kind] - 1) end
  if not old and json ~= '' then
    counts[kind] = counts[kind] + 1
    if counts[kind] > MOST[kind] then return {'refused', name, 'there are ' .. MOST[kind] .. ' entries of this kind, which is the most'} end
  end
end

-- A server looks at the rights of a user, and at the type of a key, when a command of a script runs, and takes nothing back of what ran before. So
-- each command is first run in a way that changes nothing; but XADD, which therefore comes first.
redis.call('HSET', KEYS[3], 'version', int(version))
redis.call('HDEL', KEYS[1], '')
redis.call('ZREM', KEYS[2], '')
redis.call('ZADD', KEYS[2], 'XX', 0, '')
redis.call('ZRANGEBYSCORE', KEYS[2], 1, 0)
for at = 3, #ARGV, 3 do
  local name, json = ARGV[at], ARGV[at + 2]
  local old = before[name]
  -- What is not there need not be removed.
  if old or json ~= '' then
    version = math.max(version + 1, now)
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', AUDIT, '*', 'who', ARGV[1], 'what', ARGV[2], 'name', name, 'before', old or '', 'after', json)
    if json == '' then redis.call('HDEL', KEYS[1], name) else redis.call('HSET', KEYS[1], name, int(version) .. ' ' .. json) end
    redis.call('ZADD', KEYS[2], int(version), name)
  end
end

-- ## old removals are forgotten: some with each write, from the version on up to which that was done
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. int(swept), int(now - KEPT), 'WITHSCORES', 'LIMIT', 0, SWEPT)
local names = {}
for at = 1, #due, 2 do names[#names + 1] = due[at] end
if #names > 0 then
  local entries = redis.call('HMGET', KEYS[1], unpack(names))
  for at = 1, #names do
    swept = tonumber(due[2 * at])
    if not entries[at] then
      redis.call('ZREM', KEYS[2], names[at])
      floor = math.max(floor, swept)
    end
  end
end
redis.call('HSET', KEYS[3], 'version', int(version), 'floor', int(floor), 'swept', int(swept), 'key', int(counts.key), 'limit',
  int(counts.limit), 'team', int(counts.team))
return {'done', int(version)}
