"""The Lua that looks at documents: walk a set from the newest down, or take some members as given.

Both ask the same of each member, cheapest first: is it in the sets of the other terms, is its
score in the sets of the numbers within bounds, do its words or those of one of its blobs hold all
that is asked for.
"""

from __future__ import annotations

from cache_fabric.stores._redis_scripts import Script

__all__ = ["GIVEN", "WALK"]

_MATCHING = """
local terms, numbers, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first_word = 4 + 2 * numbers
local rest = first_word + asked
local time = KEYS[#KEYS]

local function having(members, key, least, most)
  if #members == 0 then return members end
  local scores, left = redis.call('ZMSCORE', key, unpack(members)), {}
  for i, member in ipairs(members) do
    local score = scores[i] and tonumber(scores[i])
    if score and score >= least and score <= most then left[#left + 1] = member end
  end
  return left
end

local function has_all(text)
  for i = first_word, rest - 1 do
    if not string.find(text, ARGV[i], 1, true) then return false end
  end
  return true
end

local judged = {}
local function blob_has_all(blob)
  if judged[blob] == nil then
    judged[blob] = has_all(redis.call('HGET', KEYS[3], blob) or '')
  end
  return judged[blob]
end

local function reads_so(text)
  if has_all(text) then return true end
  for blob in string.gmatch(text, '\\n([^\\n]+)') do
    if blob_has_all(blob) then return true end
  end
  return false
end

local function matching(members)
  for i = 1, terms do members = having(members, KEYS[3 + i], -math.huge, math.huge) end
  for i = 1, numbers do
    local least, most = tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i])
    members = having(members, KEYS[3 + terms + i], least, most)
  end
  if asked == 0 or #members == 0 then return members end
  local texts, left = redis.call('HMGET', KEYS[2], unpack(members)), {}
  for i, member in ipairs(members) do
    if texts[i] and reads_so(texts[i]) then left[#left + 1] = member end
  end
  return left
end

local function answer(members, is_end, wanted)
  local found, last = matching(members), members[#members]
  local most = tonumber(wanted)
  if most and #found > most then
    is_end, last = false, found[most]
    for i = #found, most + 1, -1 do found[i] = nil end
  end
  local place = {}
  if last and not is_end then place = {last, redis.call('ZSCORE', time, last)} end
  if not most then return {place, #found} end
  return {place, found, #found > 0 and redis.call('HMGET', KEYS[1], unpack(found)) or {}}
end
"""
"""KEYS: values, words, words of blobs, a set a term, a set a number, the set of all by time.
ARGV: how many terms, numbers and words, bounds for each number, the words, what follows here."""

WALK = Script(
    _MATCHING
    + """
local low, newer, seen_at, seen, most, wanted = unpack(ARGV, rest, rest + 5)
local walked = KEYS[#KEYS - 1]

-- Not Lua's own comparison, which follows the language of the server's machine.
local function is_below(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local first = newer == '' and 0 or redis.call('ZCOUNT', walked, newer, '+inf')
if seen_at ~= '' then
  local last = first + redis.call('ZCOUNT', walked, seen_at, seen_at)
  while first < last do
    local middle = math.floor((first + last) / 2)
    if is_below(redis.call('ZREVRANGE', walked, middle, middle)[1], seen) then
      last = middle
    else
      first = middle + 1
    end
  end
end
local stop = redis.call('ZCOUNT', walked, low, '+inf')
local last = math.min(first + tonumber(most), stop)
local members = last > first and redis.call('ZREVRANGE', walked, first, last - 1) or {}
return answer(members, last >= stop, wanted)
"""
)

GIVEN = Script(
    _MATCHING
    + """
local members = {}
for i = rest + 1, #ARGV do members[#members + 1] = ARGV[i] end
return answer(members, true, ARGV[rest])
"""
)
