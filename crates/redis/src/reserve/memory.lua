-- One memory of this server for one window of a budget: a hash of
--   run, replid: the server that it began on; holder: its name; seq: ascends with each answer,
--   free: what is funded and not lent, in nano-dollars, under 2^53 where doubles are exact,
--   epoch, askers, before: how many have asked in this time, and in the one before,
--   and a field for each asker: "number kind amount scarce seq epoch", its last answer.
-- Asker and number come first in ARGV.
local key, asker, number = KEYS[1], ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
if not run or not replid then error('this server does not say who it is') end

local exact = 9007199254740991
-- Askers are never forgotten one by one: a late repetition of one that is not known would be new. Memories are.
local askers_at_most = 4096

-- What began on another server, or on this one in another role, has lost something perhaps.
local function remember()
  local kept = redis.call('HMGET', key, 'run', 'replid', 'holder', 'seq', 'free')
  if kept[1] ~= run or kept[2] ~= replid then return nil end
  return { holder = kept[3], seq = tonumber(kept[4]), free = tonumber(kept[5]) }
end

local function reply(memory, kind, amount, scarce, seq)
  return { kind, memory.holder, seq, amount, scarce }
end

-- The answer to a number that has been answered, or to one before it.
local function repetition(memory)
  local row = redis.call('HGET', key, asker)
  if not row then return nil end
  local last, kind, amount, scarce, seq, epoch = string.match(row, '^(%d+) (%u) (%d+) (%d) (%d+) (%d+)$')
  memory.epoch = tonumber(epoch)
  if number > tonumber(last) then return nil end
  if number < tonumber(last) then return reply(memory, 'O', 0, 0, memory.seq) end
  return reply(memory, kind, tonumber(amount), tonumber(scarce), tonumber(seq))
end

local function is_full(memory)
  return not memory.epoch and redis.call('HLEN', key) >= askers_at_most
end

-- Who is known here has been counted if it has asked in this epoch already.
local function count_askers(memory)
  local epoch = math.floor(clock[1] / 10)
  local kept = redis.call('HMGET', key, 'epoch', 'askers', 'before')
  local askers, before = tonumber(kept[2] or 0), tonumber(kept[3] or 0)
  if tonumber(kept[1]) ~= epoch then
    if tonumber(kept[1]) == epoch - 1 then before = askers else before = 0 end
    askers = 0
  end
  if memory.epoch ~= epoch then askers = askers + 1 end
  memory.epoch = epoch
  redis.call('HSET', key, 'epoch', epoch, 'askers', askers, 'before', before)
  return math.max(askers, before)
end

-- Final for its number.
local function answer(memory, kind, amount, scarce)
  memory.seq = memory.seq + 1
  local row = string.format('%.0f %s %.0f %d %.0f %.0f', number, kind, amount, scarce, memory.seq, memory.epoch or 0)
  redis.call('HSET', key, 'seq', string.format('%.0f', memory.seq), 'free', string.format('%.0f', memory.free), asker, row)
  return reply(memory, kind, amount, scarce, memory.seq)
end
