-- ARGV: asker, number, the holder, and what becomes free of it: a block that was granted for it, or what it had lent.
local holder, amount = ARGV[3], tonumber(ARGV[4])

local memory = remember()
if not memory then return { 'S', '', 0, 0, 0 } end
local before = repetition(memory)
if before then return before end
if is_full(memory) then return reply(memory, 'S', 0, 0, memory.seq) end
if memory.holder ~= holder then return answer(memory, 'S', 0, 0) end
if memory.free + amount > exact then error('more than can be counted exactly') end
memory.free = memory.free + amount
return answer(memory, 'B', 0, 0)
