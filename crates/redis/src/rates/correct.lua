-- For each key: its speed, the ticks that are more (or less) than what was taken, and when it was taken, or 0.
for i, key in ipairs(KEYS) do
  local a = 3 * i
  local speed, more, taken_at = tonumber(ARGV[a - 2]), tonumber(ARGV[a - 1]), tonumber(ARGV[a])
  -- To undo a take gives back no more than time cannot have given back since.
  if taken_at > 0 and more < 0 then more = math.min(0, more + math.max(0, now - taken_at) * speed) end
  local debt = read(key, speed)
  if more ~= 0 and (debt > 0 or more > 0) then write(key, math.min(most, debt + more), speed) end
end
return 0
