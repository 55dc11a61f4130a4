-- ARGV: asker, number, the holder that it knows or '', the highest seq it saw of that, a nonce, the least, the wish, and
-- when the key may go, in milliseconds since 1970, or 0 for never.
local known, seen, nonce = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local least, wish, expires_at = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

local function begin()
  local name = redis.sha1hex(table.concat({ run, replid, clock[1], clock[2], nonce }, ' '))
  local memory = { holder = string.sub(name, 1, 32), seq = 0, free = 0 }
  redis.call('DEL', key)
  redis.call('HSET', key, 'run', run, 'replid', replid, 'holder', memory.holder, 'seq', 0, 'free', 0)
  if expires_at > 0 then
    -- A clock that is ahead must not end it with each message.
    local soon = clock[1] * 1000 + 86400000
    redis.call('PEXPIREAT', key, string.format('%.0f', math.max(soon, expires_at)))
  end
  return memory
end

local memory = remember()
if memory and memory.holder == known and memory.seq < seen then memory = nil end
local before = memory and repetition(memory)
if before then return before end
if memory and is_full(memory) then memory = nil end
if not memory then
  memory = begin()
  count_askers(memory)
  return answer(memory, 'U', 0, 0)
end
local askers = count_askers(memory)
if known ~= '' and known ~= memory.holder then return answer(memory, 'S', 0, 0) end
if memory.free < math.max(least, 1) then return answer(memory, 'U', 0, 0) end

-- The others shall find something too.
local amount = math.max(least, math.min(wish, math.floor(memory.free / (2 * askers))))
memory.free = memory.free - amount
local scarce = 0
if memory.free < least then scarce = 1 end
return answer(memory, 'L', amount, scarce)
