-- SPDX-License-Identifier: Apache-2.0
-- The window guard. A device in setup answers for a limited time after its Hello (field win of its
-- record). The queue is in the order in which windows close: admit lists a job under the time when its
-- series of Hellos began. When the queue is too long for a device to have its turn in time, a short
-- session asks it for more (ExtendProvisioningPeriod), once: field ext of the record is 1 = to be
-- asked next, 2 = has been asked. A device that waits for its wave or for an approval is asked when a
-- quarter of its window is left: park() has that as the poll time of its job.
-- SPEC: hello.md 5.1, 5.2; provisioning.md 3

local WINDOW_SAMPLES = 128 -- places of the queue that one look reads
local WINDOW_WALK = 64     -- neighbours of the first that is in danger
-- So many are asked for each job that ends, and at least so many in a second: asking takes about a tenth
-- of a setup (measured: 130 ms against 1.7 s), so it costs a fifth of the speed.
local WINDOW_ASK_PER_DONE, WINDOW_ASK_LEAST = 2, 4

-- All times follow from the length of a window: of six hours, no device is asked in the first one and a
-- half, its turn must come a quarter of an hour before the end, and the speed is that of the last five
-- minutes.
local function window_terms(prefix, length, now)
	local span = math.min(300000, length / 12)
	return { ahead = length * 3 / 4, slack = length / 24, late = length / 4, now = now,
		rate = call('ZCOUNT', prefix .. 'done', int(now - span), '+inf') / span }
end

-- One place of a list; nil when its device has no window or is safe. A job that waits has no turn of
-- its own: it is in danger when little is left.
local function window_at(prefix, list, place, t)
	local id = call('ZRANGE', prefix .. list, place, place)[1]
	local j = id and call('HMGET', prefix .. 'job:' .. id, 'dev', 'err')
	local d = j and j[1] and call('HMGET', prefix .. 'dev:' .. j[1], 'win', 'ext', 'job')
	local win = d and d[3] == id and tonumber(d[1])
	local turn = list == 'ready' and t.rate > 0 and t.now + (place + 1) / t.rate or math.huge
	local safe = list == 'ready' and turn + t.slack or t.now + t.late
	if not win or d[2] == '1' or safe <= win then
		return nil
	end
	return { id = id, uuid = j[1], win = win, ext = d[2] or '0', turn = turn,
		why = list ~= 'ready' and j[2] or '' }
end

-- How many of a list are in danger, by samples, and the first place where one is.
local function window_count(prefix, list, size, t)
	local stride, danger, first = math.max(1, math.ceil(size / WINDOW_SAMPLES)), 0, nil
	for place = 0, size - 1, stride do
		if window_at(prefix, list, place, t) then
			danger = danger + stride
			first = first or place
		end
	end
	return math.min(danger, size), first
end

local function window_ask(prefix, ev, found, t)
	if found.ext ~= '0' or found.win <= t.now or found.win - t.now > t.ahead then
		return false
	end
	call('HSET', prefix .. 'dev:' .. found.uuid, 'ext', 1)
	call('ZADD', prefix .. 'ready', 0, found.id)
	event(ev, 'window', found.id, found.uuid, '', '', 'the queue is longer than its window')
	return true
end

-- keys: ready wait:manual ev; args: length_ms prefix. Answers how many devices are in danger (an
-- estimate when the lists are long) and how many are to be asked now. One look a second, whoever comes
-- first.
local function window_look(keys, args)
	local prefix, length = args[2], tonumber(args[1])
	local size, waiting, asked = call('ZCARD', keys[1]), call('ZCARD', keys[2]), 0
	if size + waiting == 0 or not call('SET', prefix .. 'windowlook', 1, 'PX', 900, 'NX') then
		return { -1, 0 }
	end
	local t = window_terms(prefix, length, now_ms())
	local danger, first = window_count(prefix, 'ready', size, t)
	danger = danger + window_count(prefix, 'wait:manual', waiting, t)
	local most = math.max(WINDOW_ASK_LEAST, t.rate * 1000 * WINDOW_ASK_PER_DONE)
	local last = first and math.min(size, first + WINDOW_WALK) - 1 or -1
	for place = first or 0, last do -- an asked job moves to the front: the places behind it stay
		local found = asked < most and window_at(prefix, 'ready', place, t)
		if found and window_ask(prefix, keys[3], found, t) then
			asked = asked + 1
		end
	end
	return { danger, asked }
end

-- keys: ready or a list of waiting jobs; args: length_ms prefix place count. Answers {size, now, rows};
-- a row: job device win turn(-1 = none of its own) ext why(it waits).
local function window_list(keys, args)
	local prefix, from, size = args[2], tonumber(args[3]), call('ZCARD', keys[1])
	local list = string.sub(keys[1], #prefix + 1)
	local t, rows = window_terms(prefix, tonumber(args[1]), now_ms()), {}
	for place = from, math.min(size, from + args[4]) - 1 do
		local f = window_at(prefix, list, place, t)
		if f then
			rows[#rows + 1] = { f.id, f.uuid, int(f.win),
				f.turn == math.huge and '-1' or int(f.turn), f.ext, f.why }
		end
	end
	return { size, int(t.now), rows }
end
