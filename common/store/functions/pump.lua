-- SPDX-License-Identifier: Apache-2.0
-- What becomes due by itself: jobs of running waves, and upkeep by the calendar.
--
-- upkeep      HASH  the site's policy: for each kind its interval in ms ("renew": how long before the
--                   end of the certificate), life = how long a certificate is good,
--                   wear = pause between two jobs that write; written by the brokers from their configuration
-- due:<kind>  ZSET  device -> when its next job of this kind is due
-- The first turn of a device lies anywhere in the interval, by a hash of its UUID; from then on each
-- turn follows the one before. So devices set up on one day do not come back on one day, and the load
-- stays as flat as it began. SPEC: maintenance.md 8

-- In the order of urgency. writes: wears the flash.
local UPKEEP = {
	{ kind = 'renew', writes = true }, { kind = 'rotate', writes = true },
	{ kind = 'maintain', writes = true }, { kind = 'inventory', writes = false },
}
local PACE_SPARE = 1.4         -- of the mean rate: what was late is caught up
local PACE_BURST_MS = 1200000  -- unused rate is kept for 20 minutes
local PACE_STEP_MS = 3600000   -- a job an hour is never too many, however small the estate is
local LATE_MS = 86400000       -- a renewal that is late by a day waits for no rate: see late()
local BUSY_MS = 3600000        -- the device has another job: look again in an hour
local RETRY_MS = 21600000      -- a job that gave up: again in 6 hours to 12 hours
local WORN_MS = 86400000       -- 'flash_worn': the firmware counts writes by the day
local POLICY = { 'renew', 'rotate', 'maintain', 'inventory', 'life', 'wear' }

-- 0 to 1, the same for a device and a word for ever.
local function fraction(uuid, word)
	return tonumber(string.sub(redis.sha1hex(uuid .. word), 1, 8), 16) / 4294967296
end

local function policy_read(key)
	local v, out = call('HMGET', key, unpack(POLICY)), {}
	for i = 1, #POLICY do
		out[POLICY[i]] = tonumber(v[i]) or 0
	end
	return out
end

-- When the certificate is to be renewed: early enough, for the first one anywhere in its life. A
-- maintenance moves the day only if it brought another certificate or another profile: rn_of.
local function renew_due(dev, uuid, before, now, kind)
	local d = call('HMGET', dev, 'cert_end', 'renew_before', 'rn_of')
	local ends, first = tonumber(d[1]), not kind or kind == 'adopt'
	before = tonumber(d[2]) or before -- of its profile
	if not ends or before == 0 then
		return nil
	end
	local of = int(ends) .. '-' .. int(before)
	if kind == 'maintain' and d[3] == of then
		return nil
	end
	call('HSET', dev, 'rn_of', of)
	local last = math.max(now, ends - before)
	local u = fraction(uuid, 'renew' .. ends)
	return now + (last - now) * (first and u or 0.98 + 0.02 * u)
end

-- A job of a device ended well: when is the next one? kind nil = setup.
local function schedule_next(job, dev, uuid, kind, now)
	local policy = policy_read(sibling(job, 'upkeep'))
	local first = not kind or kind == 'adopt'
	for i = 1, #UPKEEP do
		local k = UPKEEP[i].kind
		local every, due = policy[k], nil
		if k == 'renew' then
			if first or kind == 'renew' or kind == 'maintain' then
				due = renew_due(dev, uuid, every, now, kind)
			end
		elseif every > 0 and (first or kind == k) then
			due = now + every * (first and fraction(uuid, k) or 1)
		end
		if due then
			call('ZADD', sibling(job, 'due:' .. k), int(due), uuid)
		end
	end
	if policy.wear > 0 and (kind == 'renew' or kind == 'rotate' or kind == 'maintain') then
		call('HSET', dev, 'wr_ms', int(now))
	elseif kind == 'unconfigure' then
		for i = 1, #UPKEEP do
			call('ZREM', sibling(job, 'due:' .. UPKEEP[i].kind), uuid)
		end
	end
end

-- It gave up: the device is asked again, unless its kind is not on the calendar.
local function schedule_retry(job, uuid, kind, err, now)
	local due = sibling(job, 'due:' .. kind)
	if call('ZSCORE', due, uuid) then
		local pause = (err == 'flash_worn' and WORN_MS or RETRY_MS) * (1 + fraction(uuid, int(now)))
		call('ZADD', due, int(now + pause), uuid)
	end
end

-- An upkeep job is over without success; wave: the wave that it belongs to, or false.
local function upkeep_failed(job, uuid, kind, wave, err, now)
	if wave then
		wave_ended(job, wave, uuid, false, err, now)
	elseif kind then
		schedule_retry(job, uuid, kind, err, now)
	end
end

-- How many jobs the calendar may open now: a multiple of the mean that the calendar itself asks for.
local function upkeep_allowance(prefix, policy, now)
	local per_ms = 0
	for i = 1, #UPKEEP do
		local k = UPKEEP[i].kind
		local every = k == 'renew' and policy.life or policy[k]
		if every and every > 0 then
			per_ms = per_ms + call('ZCARD', prefix .. 'due:' .. k) / every
		end
	end
	if per_ms == 0 then
		return 0, 0, now
	end
	local step = math.min(1 / (per_ms * PACE_SPARE), PACE_STEP_MS)
	local burst = math.max(PACE_BURST_MS, math.ceil(step)) -- at least one job whole, also in binary fractions
	local tat = math.max(tonumber(call('GET', prefix .. 'upkeeptat')) or 0, now - burst)
	return math.floor((now - tat) / step), step, tat
end

-- One device whose time has come. Answers whether a job was opened.
local function upkeep_open(prefix, row, uuid, wear_ms, n, now, ev)
	local dev, due = prefix .. 'dev:' .. uuid, prefix .. 'due:' .. row.kind
	local d = call('HMGET', dev, 'state', 'wr_ms')
	local worn = row.writes and d[2] and tonumber(d[2]) + wear_ms or 0
	if d[1] == 'active' then
		call('ZADD', due, int(now + BUSY_MS), uuid)
	elseif d[1] ~= 'done' then
		call('ZREM', due, uuid) -- out of service: its next setup puts it on the calendar again
	elseif worn > now then
		call('ZADD', due, int(worn), uuid)
	else
		-- The end of the job says when the next one is; this is for a job that is forgotten.
		call('ZADD', due, int(now + 2 * RETRY_MS), uuid)
		local id = open_id(uuid, now, n)
		return open_new(dev, prefix .. 'job:' .. id, prefix .. 'ready', ev, id, uuid,
			{ kind = row.kind, args = '', addr = '', who = 'calendar' }, now) == 0
	end
	return false
end

-- The rate knows the site's life of a certificate; a profile may ask for a shorter one, or for an
-- earlier renewal. Such certificates must not end for the sake of a level load.
local function late(kind, due, now)
	return kind == 'renew' and tonumber(due) < now - LATE_MS
end

local function upkeep_pump(prefix, ev, limit, now)
	local policy = policy_read(prefix .. 'upkeep')
	local allowed, step, tat = upkeep_allowance(prefix, policy, now)
	local opened, paced, looked = 0, 0, 0
	for i = 1, #UPKEEP do
		local kind = UPKEEP[i].kind
		while opened < limit and looked < limit do
			local due = call('ZRANGEBYSCORE', prefix .. 'due:' .. kind, '-inf', int(now), 'WITHSCORES',
				'LIMIT', 0, 1)
			local free = due[1] and late(kind, due[2], now)
			if not due[1] or not free and paced >= allowed then
				break
			end
			looked = looked + 1
			if upkeep_open(prefix, UPKEEP[i], due[1], policy.wear, opened, now, ev) then
				opened = opened + 1
				paced = paced + (free and 0 or 1)
			end
		end
	end
	if step > 0 then
		call('SET', prefix .. 'upkeeptat', string.format('%.0f', tat + paced * step))
	end
	return opened
end

-- ---- waves ----

-- "1320-360,720-780": minutes of the day, UTC; the first one ends the next day.
local function blacked_out(windows, now)
	local minute = math.floor(now / 60000) % 1440
	for from, to in string.gmatch(windows, '(%d+)-(%d+)') do
		from, to = tonumber(from), tonumber(to)
		if from <= to and minute >= from and minute < to or
			from > to and (minute >= from or minute < to) then
			return true
		end
	end
	return false
end

-- How many jobs a wave may open now.
local function wave_room(prefix, w)
	local flying, over = tonumber(w['in']), tonumber(w.ok) + tonumber(w.bad)
	local room = tonumber(w.max) - flying
	local canary = tonumber(w.canary)
	if over < canary then
		room = math.min(room, canary - over - flying)
	end
	local target = WAVE_TARGETS[w.kind] or ''
	local limit = tonumber(w[target] or 0) or 0
	if limit > 0 then
		room = math.min(room, limit - (tonumber(call('HGET', prefix .. 'wavetgt', target)) or 0))
	end
	return room, target
end

-- A device of a wave of setups: its job has waited for this. Answers the job, false when it went on
-- another way, nil when its worker has not parked it yet.
local function wave_wake(prefix, uuid, now, ev)
	local id = call('HGET', prefix .. 'dev:' .. uuid, 'job') or ''
	local job = prefix .. 'job:' .. id
	local j = call('HMGET', job, 'st', 'why', 'err', 'kicked')
	if j[1] == 'leased' or j[1] == 'ready' and not j[4] then
		return nil -- on its way here, or asking its device for more time
	elseif j[1] ~= 'waiting' or j[2] ~= 'manual' or j[3] ~= 'wave' then
		return false
	end
	call('ZREM', prefix .. 'wait:manual', id)
	call('ZADD', prefix .. 'ready', int(now), id)
	call('HSET', job, 'st', 'ready')
	event(ev, 'wake', id, uuid, '', '', 'wave')
	return job
end

-- A device of a wave of upkeep. Answers its new job, or false.
local function wave_new(prefix, name, w, uuid, n, now, ev)
	local id = open_id(uuid, now, n)
	local job = prefix .. 'job:' .. id
	return open_new(prefix .. 'dev:' .. uuid, job, prefix .. 'ready', ev, id, uuid,
		{ kind = w.kind, args = w.args, addr = '', who = 'wave ' .. name }, now) == 0 and job
end

-- The next device of a wave. Answers whether it goes, nil when its site is full or it is not ready.
local function wave_open(prefix, name, w, uuid, target, n, now, ev)
	local wave, dev = prefix .. 'wave:' .. name, prefix .. 'dev:' .. uuid
	local sites = prefix .. 'wavesite:' .. name
	local site = wave_site(call('HGET', dev, 'addr') or '')
	local per_site = tonumber(w.site)
	if per_site > 0 and (tonumber(call('HGET', sites, site)) or 0) >= per_site then
		return nil
	end
	local job
	if w.kind == 'setup' then
		job = wave_wake(prefix, uuid, now, ev)
	else
		job = wave_new(prefix, name, w, uuid, n, now, ev)
	end
	if job == nil then
		return nil
	end
	call('ZREM', prefix .. 'wavetodo:' .. name, uuid)
	if not job then
		call('HINCRBY', wave, 'skip', 1)
		call('HSET', prefix .. 'wavebad:' .. name, uuid, w.kind == 'setup' and
			'skipped: it went on without the wave' or 'skipped: busy or not in service')
		return false
	end
	call('HSET', job, 'wv', name, 'ws', site, 'wt', target)
	call('HSET', dev, 'wave', name)
	call('HINCRBY', wave, 'in', 1)
	call('HINCRBY', sites, site, 1)
	if target ~= '' then
		call('HINCRBY', prefix .. 'wavetgt', target, 1)
	end
	return true
end

local WAVE_LOOK = 64 -- devices of full sites that are passed over in one look

local function wave_pump(prefix, ev, name, limit, now)
	local wave, todo = prefix .. 'wave:' .. name, prefix .. 'wavetodo:' .. name
	local flat, w = call('HGETALL', wave), {}
	for i = 1, #flat, 2 do
		w[flat[i]] = flat[i + 1]
	end
	if w.st ~= 'running' then
		return 0
	end
	if call('ZCARD', todo) == 0 then
		if tonumber(w['in']) == 0 and w.kind ~= 'setup' then -- others may join it
			call('HSET', wave, 'st', 'done', 'st_ms', int(now))
			event(ev, 'wave', '', '', '', '', 'done ' .. name)
		end
		return 0
	end
	if blacked_out(w.black, now) then
		return 0
	end
	local room, target = wave_room(prefix, w)
	local opened, n = 0, 0
	room = math.min(room, limit)
	if room <= 0 then
		return 0
	end
	for _, uuid in ipairs(call('ZRANGE', todo, 0, room + WAVE_LOOK - 1)) do
		n = n + 1
		if wave_open(prefix, name, w, uuid, target, n, now, ev) then
			opened = opened + 1
		end
		if opened == room then
			break
		end
	end
	return opened
end

-- keys: waves ev; args: limit prefix. Answers how many jobs it opened.
local function pump(keys, args)
	local now, limit, prefix, opened = now_ms(), tonumber(args[1]), args[2], 0
	for _, name in ipairs(call('ZRANGE', keys[1], 0, -1)) do
		opened = opened + wave_pump(prefix, keys[2], name, limit - opened, now)
	end
	return opened + upkeep_pump(prefix, keys[2], limit - opened, now)
end

-- keys: upkeep; args: name, value of the whole policy
local function upkeep_policy(keys, args)
	call('HSET', keys[1], unpack(args))
	return 0
end
