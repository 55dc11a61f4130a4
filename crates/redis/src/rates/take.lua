-- Takes from all or from none. For each key: its speed, the least that is of use, what is wished for, and its capacity.
-- More than the least is taken in multiples of it only, as far as there is room.
local rows, owed = {}, {}
local short, wait, debt_of_short = 0, -1, 0
for i, key in ipairs(KEYS) do
  local a = 4 * i
  local speed, least, wish, capacity = tonumber(ARGV[a - 3]), tonumber(ARGV[a - 2]), tonumber(ARGV[a - 1]), tonumber(ARGV[a])
  local account = owed[key]
  -- The same account twice in one decision owes for both.
  if not account then
    account = { debt = read(key, speed), speed = speed }
    owed[key] = account
  elseif account.speed ~= speed then
    account.debt = math.ceil(account.debt / account.speed * speed) + 1
    account.speed = speed
  end
  local missing = math.ceil((account.debt + least - capacity) / speed)
  if missing > 0 and missing > wait then
    short, wait, debt_of_short = i, missing, account.debt
  end
  account.debt = account.debt + least
  rows[i] = { key = key, account = account, speed = speed, least = least, wish = wish, capacity = capacity }
end
if short > 0 then return { 0, now, short, debt_of_short, wait } end

local reply = { 1, now }
for i, row in ipairs(rows) do
  local account, got = row.account, row.least
  if row.least > 0 and account.speed == row.speed then
    local more = math.min(row.wish - row.least, row.capacity - account.debt)
    more = math.max(0, math.floor(more / row.least)) * row.least
    account.debt = account.debt + more
    got = got + more
  end
  write(row.key, account.debt, account.speed)
  reply[2 * i + 1] = account.debt
  reply[2 * i + 2] = got
end
return reply
