-- What changed in the registry after a version, oldest first. Runs unchanged on Redis 6.2 and 7, and on Valkey 8 and 9. Writes nothing.
--
--   EVALSHA <sha> 3 <changes> <entries> <meta>  <since> <most entries> <most bytes>
--   reply  [version, floor, more (0 or 1), entries, values that follow, (name, version, JSON or empty for a removed entry)*]
--
-- `version` is the last one that was given; below `since` means that the server lost something. `floor` is the highest version of which the
-- removal was forgotten: who asks with a `since` below it reads all from 0 and drops what was not listed. `entries` is how many there are.
-- The next `since` is the version of the last entry. No two entries have the same version, so no page can cut between two of one.
local since, most, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not since or not most or not bytes then error('bad number') end

local meta = redis.call('HMGET', KEYS[3], 'version', 'floor', 'key', 'limit', 'team')
local all = tonumber(meta[3] or 0) + tonumber(meta[4] or 0) + tonumber(meta[5] or 0)
local reply = {meta[1] or '0', meta[2] or '0', 0, all, 0}
-- One more than is told, to know whether there is more.
local changed = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, most + 1)
local count, told = #changed / 2, 0
for first = 1, count, 128 do
  local last = math.min(first + 127, count)
  local names = {}
  for at = first, last do names[at - first + 1] = changed[2 * at - 1] end
  local entries = redis.call('HMGET', KEYS[2], unpack(names))
  for at = first, last do
    if at > most or (told > 0 and bytes <= 0) then reply[3], reply[5] = 1, 3 * told; return reply end
    local name, version = changed[2 * at - 1], changed[2 * at]
    local json = entries[at - first + 1] and string.match(entries[at - first + 1], '^%d+ (.*)$') or ''
    reply[3 * at + 3], reply[3 * at + 4], reply[3 * at + 5] = name, version, json
    bytes, told = bytes - #name - #json - 40, told + 1
  end
end
reply[5] = 3 * told
return reply
