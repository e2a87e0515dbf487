-- SPDX-License-Identifier: Apache-2.0
-- A Hello comes in: admit.

local NEW, DUP, IGN, DENY, BUSY = 1, 2, 3, 4, 5

-- GCRA: the due time is the theoretical arrival time less the burst (D16). No key = no pacing.
local function pace(sub, now, rate, burst)
	if not sub then
		return now
	end
	local step = 1000 / rate
	local tat = math.max(now, tonumber(call('GET', sub)) or 0)
	local due = math.max(now, math.ceil(tat - (burst - 1) * step))
	tat = tat + step
	call('SET', sub, string.format('%.3f', tat), 'PX', int(math.ceil(tat - now) + 1000))
	return due
end

local DEV_READ = { 'gen', 'job', 'state', 'src', 'addr_alt', 'alt_ms', 'first', 'last', 'hellos',
	'hello_ms', 'end_ms', 'quar', 'deny', 'rehello', 'unconf', 'done_ms', 'err', 'win' }

local function read_device(dev)
	local v, d = call('HMGET', dev, unpack(DEV_READ)), {}
	for i = 1, #DEV_READ do
		d[DEV_READ[i]] = v[i] or nil
	end
	return d
end

-- Pairs to write are collected in lists and written at once.
local function put(w, name, value)
	w[#w + 1] = name
	w[#w + 1] = value
end

-- Count the Hello and remember where it came from. True when the source swings A, B, A.
local function note_hello(w, d, addr, now)
	put(w, 'hellos', int((tonumber(d.hellos) or 0) + 1))
	put(w, 'last', int(now))
	if not d.first then
		put(w, 'first', int(now))
	end
	if d.src == addr then
		return false
	end
	put(w, 'src', addr)
	if d.src then
		put(w, 'addr_alt', d.src)
		put(w, 'alt_ms', d.last)
	end
	return d.addr_alt == addr and now - tonumber(d.alt_ms) <= SWING_MS
end

-- The job of the device leaves the queue. Its own hash is not declared in admit and stays as it is:
-- of a job that is neither leased nor over, the list it is in tells the state, not the hash.
local function quarantine(k, d, uuid, why)
	for _, list in ipairs({ k.ready, k.ca, k.ad }) do
		call('ZREM', list, d.job)
	end
	call('ZADD', k.manual, NEVER, d.job)
	event(k.ev, 'quarantine', d.job, uuid, '', '', why)
end

-- Until when the device answers; a new series opens a new window, an old one does not close it.
local function note_window(a, d, w, now)
	if a.left > 0 and now + a.left > (tonumber(d.win) or 0) then
		put(w, 'win', int(now + a.left))
	end
end

-- The place in the queue: as if it had been there since the window opened, unless it is paced.
local function queue_due(k, a, now)
	local due = pace(k.sub, now, a.rate, a.burst)
	return due > now and due or now - a.elapsed
end

-- A Hello of a device whose job is alive.
local function admit_active(k, a, d, w, swing, now)
	if d.quar then
		return DENY
	end
	if call('ZSCORE', k.lease, d.job) then
		return DUP -- the source is noted, not used (ruling 2)
	end
	if swing then
		quarantine(k, d, a.uuid, 'address_swing')
		put(w, 'quar', 'address_swing')
		put(w, 'quar_ms', int(now))
		return DENY
	end
	if not d.done_ms then -- one in service keeps its address: this may be anybody's Hello
		put(w, 'addr', a.addr)
	end
	note_window(a, d, w, now)
	local due = tonumber(call('ZSCORE', k.ready, d.job))
	if due and due > now then -- in back-off: due now, within the pace (ruling 6)
		call('ZADD', k.ready, int(math.min(due, pace(k.sub, now, a.rate, a.burst))), d.job)
	end
	return DUP
end

-- Why a new job must not start by itself: device word, job word, text; nothing = it may.
local function hold_back(a, d, gen, swing)
	if a.placeholder then
		return 'placeholder_uuid', 'quarantine', 'many boards carry this UUID'
	elseif swing then
		return 'address_swing', 'quarantine', 'two addresses say Hello with this UUID'
	elseif gen > 1 and d.rehello ~= 'auto' and d.unconf ~= '1' then
		return nil, 'approval', 'the device was configured before and says Hello again'
	end
end

-- A new generation keeps the key of its secrets, and the current ones as previous (ruling 16).
local function generation_open(dev, gen, hello_ms)
	local cur = call('HGET', dev, 'sec_cur')
	if cur then
		call('HSET', dev, 'sec_prev', cur)
	end
	call('HDEL', dev, 'sec_cur', 'done_ms', 'unconf', 'res', 'err', 'txt')
	call('HSET', dev, 'gen', gen, 'hello_ms', hello_ms)
end

-- A device in service stays as it is until somebody lets the job go on: back, as of an upkeep job.
local function admit_new(k, a, d, w, swing, now)
	local served = d.state == 'done' or d.state == 'unconfigured'
	local gen = math.max(tonumber(d.gen) or 0, 1) + (served and 1 or 0)
	local quar, err, txt = hold_back(a, d, gen, swing)
	local back = err and d.state == 'done'
	if served and not back then
		generation_open(k.dev, gen, int(now))
		d.err = nil
	end
	local job = { 'dev', a.uuid, 'gen', gen, 'st', err and 'waiting' or 'ready', 'pl', a.raw, 'try', 0,
		'lost', 0, 'f', 0, 'ow', '', 'tp', a.tp, 'cr', int(now), 'v', SCHEMA }
	put(w, 'job', a.id)
	put(w, 'state', 'active')
	if back then
		put(job, 'back', 'done')
	else
		put(w, 'gen', gen)
		put(w, 'addr', a.addr)
		if not served and not d.hello_ms then
			put(w, 'hello_ms', int(now))
		end
		if d.err then
			call('HDEL', k.dev, 'err', 'txt')
		end
	end
	if d.win then
		call('HDEL', k.dev, 'win', 'ext')
		d.win = nil
	end
	note_window(a, d, w, now)
	if err then
		put(job, 'why', 'manual')
		put(job, 'err', err)
		put(job, 'txt', txt)
		call('ZADD', k.manual, NEVER, a.id)
	else
		call('ZADD', k.ready, int(queue_due(k, a, now)), a.id)
	end
	if quar then
		put(w, 'quar', quar)
		put(w, 'quar_ms', int(now))
	end
	call('HSET', k.job, unpack(job))
	event(k.ev, 'admit', a.id, a.uuid, '', '', err or '')
	return NEW
end

local function admit_judge(k, a, d, w, cool, now)
	local swing = note_hello(w, d, a.addr, now)
	if d.deny then
		return DENY
	elseif d.state == 'active' then
		return admit_active(k, a, d, w, swing, now)
	elseif d.state == 'dead' then
		put(w, 'addr', a.addr)
		return IGN
	elseif cool then
		return IGN
	end
	return admit_new(k, a, d, w, swing, now)
end

-- keys: dev job ready lease wait:ca wait:ad wait:manual ev [sub]
-- args: uuid job addr hello traceparent cooldown max_waiting placeholder rate burst
-- elapsed_ms left_ms (of its window; left 0 = not known)
local function admit(keys, args)
	local k = { dev = keys[1], job = keys[2], ready = keys[3], lease = keys[4], ca = keys[5],
		ad = keys[6], manual = keys[7], ev = keys[8], sub = keys[9] }
	local a = { uuid = args[1], id = args[2], addr = args[3], raw = args[4], tp = args[5],
		placeholder = args[8] == '1', rate = tonumber(args[9]), burst = tonumber(args[10]),
		elapsed = tonumber(args[11]), left = tonumber(args[12]) }
	local now, d, w = now_ms(), read_device(k.dev), {}
	local over = d.state ~= 'active' and d.state ~= 'dead'
	-- The cool-down is for the late Hellos of the setup that has ended; one that we have sent back
	-- to setup is expected to call.
	local cool = d.state ~= 'unconfigured' and d.end_ms and now - d.end_ms < tonumber(args[6])
	if over and not cool and not d.deny and call('ZCARD', k.manual) + call('ZCARD', k.ca) +
		call('ZCARD', k.ad) >= tonumber(args[7]) then
		return BUSY
	end
	local verdict = admit_judge(k, a, d, w, cool, now)
	call('HSET', k.dev, unpack(w))
	return verdict
end
