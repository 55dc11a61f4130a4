-- An account is "debt speed at": what was taken and is not back yet, in ticks, at this time in microseconds; so many ticks
-- come back in one. All are whole numbers under 2^53, which doubles are exact for.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local most = 9007199254740992

local function read(key, speed)
  local kept = redis.call('GET', key)
  if not kept then return 0 end
  local debt, ran, at = string.match(kept, '^(%d+) (%d+) (%d+)$')
  if not debt then error('not a rate: ' .. key) end
  -- A clock that went back gives nothing back, and the time from here on counts.
  local elapsed = math.max(0, now - at)
  debt = math.max(0, debt - elapsed * ran)
  -- The rate is another one now: what takes as long.
  if debt > 0 and tonumber(ran) ~= speed then debt = math.min(most, math.ceil(debt / ran * speed) + 1) end
  return debt
end

local function write(key, debt, speed)
  if debt <= 0 then
    redis.call('DEL', key)
  else
    local milliseconds = math.ceil(debt / speed / 1000) + 1
    redis.call('SET', key, string.format('%.0f %.0f %.0f', debt, speed, now), 'PX', string.format('%.0f', milliseconds))
  end
end
