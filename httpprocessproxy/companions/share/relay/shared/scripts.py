"""What has to be atomic, as Redis runs it. Time is Redis's own, so that clocks need not agree.

A visit is a hash `hpp:visit:RID`; those that wait are in `hpp:queue:HOST`, those that want to be
tunnels in `hpp:tunnels:HOST`; `hpp:taken:HOST` has those in workers' hands, with the time by which
they are forgotten. `hpp:relays` has when each relay was last heard of. Keys are named inside, so
this is for one Redis and its replicas, not for a cluster.
"""

from typing import Final

# A relay that was not heard of for so long is dead; it says that it lives more often than this.
BEAT_S: Final = 1.0
DEAD_MS: Final = 5000

_COMMON: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function post(relay, text)
  redis.call('RPUSH', 'hpp:inbox:' .. relay, text)
  redis.call('EXPIRE', 'hpp:inbox:' .. relay, 120)
end
local function living()
  return redis.call('ZRANGEBYSCORE', 'hpp:relays', now - DEAD_MS, '+inf')
end
local function lives(relay)
  local at = redis.call('ZSCORE', 'hpp:relays', relay)
  return at and tonumber(at) >= now - DEAD_MS
end
local function ring(host)
  for _, relay in ipairs(living()) do post(relay, 'ring ' .. host .. '\\n') end
end
local function queue(visit, host)
  return (redis.call('HGET', visit, 'tunnel') == '1' and 'hpp:tunnels:' or 'hpp:queue:') .. host
end
""".replace("DEAD_MS", str(DEAD_MS))

# relay -> the relays that live
BEAT: Final = (
    _COMMON
    + """
redis.call('ZADD', 'hpp:relays', now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', 'hpp:relays', '-inf', now - 60000)
return living()
"""
)

# relay -> nothing: it ends, and nobody shall wait for it
BYE: Final = (
    _COMMON
    + """
redis.call('ZREM', 'hpp:relays', ARGV[1])
redis.call('DEL', 'hpp:inbox:' .. ARGV[1])
"""
)

# rid, host, limit, lifetime in ms, field, value ... -> 1, or 0 if too many wait
ENTER: Final = (
    _COMMON
    + """
local rid, host, visit = ARGV[1], ARGV[2], 'hpp:visit:' .. ARGV[1]
local waiting = redis.call('LLEN', 'hpp:queue:' .. host)
waiting = waiting + redis.call('LLEN', 'hpp:tunnels:' .. host)
if waiting >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', visit, 'host', host, 'state', 'queued', 'try', '0', unpack(ARGV, 5))
redis.call('PEXPIRE', visit, ARGV[4])
redis.call('RPUSH', queue(visit, host), rid)
redis.call('PEXPIRE', queue(visit, host), ARGV[4])
ring(host)
return 1
"""
)

# host, relay, tunnels (1 or 0), time in ms by which it is forgotten -> {rid, home, head, tunnel,
# try, body or nothing}, or nothing. Visits whose own relay has died are dropped on the way.
TAKE: Final = (
    _COMMON
    + """
local host = ARGV[1]
local queues = {'hpp:queue:' .. host}
if ARGV[3] == '1' then queues[2] = 'hpp:tunnels:' .. host end
for _, key in ipairs(queues) do
  local rid = redis.call('LPOP', key)
  while rid do
    local visit = 'hpp:visit:' .. rid
    local home = redis.call('HGET', visit, 'home')
    if home and redis.call('HGET', visit, 'state') == 'queued' and lives(home) then
      local try = redis.call('HINCRBY', visit, 'try', 1)
      redis.call('HSET', visit, 'state', 'taken')
      redis.call('ZADD', 'hpp:taken:' .. host, now + tonumber(ARGV[4]), rid)
      redis.call('PEXPIRE', 'hpp:taken:' .. host, 2 * tonumber(ARGV[4]))
      post(home, 'took ' .. rid .. ' ' .. ARGV[2] .. '\\n')
      local told = redis.call('HMGET', visit, 'head', 'tunnel', 'body')
      return {rid, home, told[1], told[2], tostring(try), told[3]}
    end
    rid = redis.call('LPOP', key)
  end
end
return false
"""
)

# rid, host -> 1 if the visit waits again, before all others
RETURN: Final = (
    _COMMON
    + """
local visit, host = 'hpp:visit:' .. ARGV[1], ARGV[2]
if redis.call('HGET', visit, 'state') ~= 'taken' then return 0 end
redis.call('HSET', visit, 'state', 'queued')
redis.call('ZREM', 'hpp:taken:' .. host, ARGV[1])
redis.call('LPUSH', queue(visit, host), ARGV[1])
redis.call('PEXPIRE', queue(visit, host), redis.call('PTTL', visit))
ring(host)
return 1
"""
)

# rid, host, relay -> the visitor's relay, or nothing if there is no such right
CLAIM: Final = (
    _COMMON
    + """
local visit = 'hpp:visit:' .. ARGV[1]
local told = redis.call('HMGET', visit, 'host', 'state', 'home')
if told[1] ~= ARGV[2] or told[2] ~= 'taken' then return false end
redis.call('HSET', visit, 'state', 'answering')
post(told[3], 'claimed ' .. ARGV[1] .. ' ' .. ARGV[3] .. '\\n')
return told[3]
"""
)

# rid, host -> 1 if nobody has taken the visit, and nobody will
WITHDRAW: Final = (
    _COMMON
    + """
local visit = 'hpp:visit:' .. ARGV[1]
local state = redis.call('HGET', visit, 'state')
if not state then return 1 end
if state ~= 'queued' then return 0 end
redis.call('LREM', queue(visit, ARGV[2]), 1, ARGV[1])
redis.call('DEL', visit)
return 1
"""
)

# rid, host -> nothing: the visit is over
LEAVE: Final = (
    _COMMON
    + """
local visit = 'hpp:visit:' .. ARGV[1]
redis.call('LREM', queue(visit, ARGV[2]), 1, ARGV[1])
redis.call('ZREM', 'hpp:taken:' .. ARGV[2], ARGV[1])
redis.call('DEL', visit)
"""
)

# host, 1 if it streams, for how long this counts in ms, and streaming -> nothing
SAW: Final = (
    _COMMON
    + """
redis.call('SET', 'hpp:seen:' .. ARGV[1], now, 'PX', ARGV[3])
if ARGV[2] == '1' then redis.call('SET', 'hpp:streams:' .. ARGV[1], '1', 'PX', ARGV[4]) end
"""
)

# host -> {ms since it was seen or -1, visits in workers' hands, whether it streams}
PRESENCE: Final = (
    _COMMON
    + """
redis.call('ZREMRANGEBYSCORE', 'hpp:taken:' .. ARGV[1], '-inf', now)
local seen = redis.call('GET', 'hpp:seen:' .. ARGV[1])
return {
  seen and now - tonumber(seen) or -1,
  redis.call('ZCARD', 'hpp:taken:' .. ARGV[1]),
  redis.call('EXISTS', 'hpp:streams:' .. ARGV[1]),
}
"""
)

# relay, text -> nothing
POST: Final = _COMMON + "post(ARGV[1], ARGV[2])"
