-- SPDX-License-Identifier: Apache-2.0
-- Waves: a rollout of one kind of job over many devices, as one object. The devices of an upkeep wave
-- are chosen when it is made; those of a wave of first setups join it when their rule names it, and
-- their jobs wait for the pump to let them go.
--
-- wave:<name>     HASH  st (draft running paused done), kind, args, total, ok, bad, skip, in (in
--                       flight), r_ok, r_bad (since the last start or resume: what the error rate
--                       is of), and the limits below
-- wavetodo:<name> ZSET  devices that wait for their turn, in order
-- wavebad:<name>  HASH  device -> reason of its failure
-- wavesite:<name> HASH  site -> jobs in flight
-- waves           ZSET  names, score = creation; wavetgt HASH: target (ca, ad) -> jobs in flight
-- A job of a wave has wv = its name, ws = its site, wt = its target, until it ends.

local WAVE_SAMPLE = 20 -- ended jobs before a rate means anything
local WAVE_FAILED = 3  -- fewer failures are no rate

-- The keys of waves, calendar and hooks are found by the functions that end jobs, below the job's tag.
local function sibling(key, name)
	return string.match(key, '^muster:{[^}]*}:') .. name
end

-- The network that a site is: IPv4 /24, IPv6 /64 as it is written.
local function wave_site(addr)
	return string.match(addr, '^(%d+%.%d+%.%d+)%.%d+$') or
		string.match(addr, '^(%x*:%x*:%x*:%x*)') or addr
end

-- Which limited service jobs of a kind use.
local WAVE_TARGETS = { setup = 'ca', renew = 'ca', adopt = 'ca', unconfigure = 'ad' }

-- Stop at the error rate; the canaries must all have ended well enough before the others go.
local function wave_judge(wave, now)
	local w = call('HMGET', wave, 'st', 'stop', 'r_ok', 'r_bad', 'canary', 'ok', 'bad')
	local bad, ended = tonumber(w[4]), tonumber(w[3]) + tonumber(w[4])
	local canaries = tonumber(w[6]) + tonumber(w[7]) == tonumber(w[5]) and bad > 0
	local many = ended >= WAVE_SAMPLE and bad >= WAVE_FAILED
	if w[1] ~= 'running' or not (canaries or many) or bad * 1000 < tonumber(w[2]) * ended then
		return
	end
	call('HSET', wave, 'st', 'paused', 'why',
		'error rate: ' .. bad .. ' of the last ' .. ended .. ' failed', 'st_ms', int(now))
end

-- A job of a wave is over.
local function wave_ended(job, name, uuid, ok, err, now)
	local at = call('HMGET', job, 'ws', 'wt')
	local wave = sibling(job, 'wave:' .. name)
	call('HDEL', job, 'wv') -- counted: a kick of the dead job is not the wave's any more
	call('HINCRBY', wave, 'in', -1)
	call('HINCRBY', wave, ok and 'ok' or 'bad', 1)
	call('HINCRBY', wave, ok and 'r_ok' or 'r_bad', 1)
	call('HINCRBY', sibling(job, 'wavesite:' .. name), at[1], -1)
	if at[2] ~= '' then
		call('HINCRBY', sibling(job, 'wavetgt'), at[2], -1)
	end
	if not ok then
		call('HSET', sibling(job, 'wavebad:' .. name), uuid, err)
	end
	if call('ZCARD', sibling(job, 'wavetodo:' .. name)) > 0 then -- else there is nothing to stop
		wave_judge(wave, now)
	end
end

-- keys: wave waves ev; args: name kind args canary in_flight per_site ca ad stop_permille blackout
-- who
local function wave_create(keys, args)
	if call('EXISTS', keys[1]) == 1 then
		return STATE
	end
	local now = now_ms()
	call('HSET', keys[1], 'st', 'draft', 'kind', args[2], 'args', args[3], 'canary', args[4],
		'max', args[5], 'site', args[6], 'ca', args[7], 'ad', args[8], 'stop', args[9], 'black',
		args[10], 'total', 0, 'ok', 0, 'bad', 0, 'skip', 0, 'in', 0, 'r_ok', 0, 'r_bad', 0, 'cr',
		int(now))
	call('ZADD', keys[2], int(now), args[1])
	event(keys[3], 'wave', '', '', args[11], '', 'create ' .. args[1])
	return 0
end

-- keys: wave todo; args: uuids. Answers how many were new.
local function wave_add(keys, args)
	if call('HGET', keys[1], 'st') ~= 'draft' then
		return call('EXISTS', keys[1]) == 0 and MISSING or STATE
	end
	local n, added = call('ZCARD', keys[2]), 0
	for i = 1, #args do
		added = added + call('ZADD', keys[2], 'NX', n + i, args[i])
	end
	call('HINCRBY', keys[1], 'total', added)
	return added
end

local JOINED_WAITS, JOINED_NONE = 1, 2

-- A setup job whose rule names a wave asks whether it may go on. keys: job wave todo; args: job uuid
-- fence name. 0 = it may; waits = it is listed, and is to be parked; none = there is no such wave.
local function wave_join(keys, args)
	local refusal = owned(keys[1], args[3], args[2], true)
	if refusal ~= 0 then
		return refusal
	elseif call('HGET', keys[1], 'wv') == args[4] then
		return 0
	elseif call('HGET', keys[2], 'kind') ~= 'setup' then
		return JOINED_NONE
	end
	local new = call('ZADD', keys[3], 'NX', int(now_ms()), args[2])
	call('HINCRBY', keys[2], 'total', new)
	return JOINED_WAITS
end

local WAVE_MOVES = { start = { draft = 1 }, pause = { running = 1 }, resume = { paused = 1 } }

-- keys: wave ev; args: name move who. resume: what has failed so far is accepted, and the rate is of
-- what follows.
local function wave_move(keys, args)
	local w = call('HMGET', keys[1], 'st')
	if not w[1] then
		return MISSING
	elseif not WAVE_MOVES[args[2]][w[1]] then
		return STATE
	end
	local now = now_ms()
	if args[2] == 'pause' then
		call('HSET', keys[1], 'st', 'paused', 'why', 'by ' .. args[3], 'st_ms', int(now))
	else
		call('HSET', keys[1], 'st', 'running', 'why', '', 'r_ok', 0, 'r_bad', 0, 'st_ms', int(now))
		call('HSETNX', keys[1], 'first_ms', int(now))
	end
	event(keys[2], 'wave', '', '', args[3], '', args[2] .. ' ' .. args[1])
	return 0
end

-- keys: wave todo wavebad. Answers {now, waiting, fields, device and reason of each failure}.
local function wave_show(keys)
	local fields = call('HGETALL', keys[1])
	if #fields == 0 then
		return { MISSING }
	end
	return { now_ms(), call('ZCARD', keys[2]), fields, call('HGETALL', keys[3]) }
end

-- keys: waves
local function wave_list(keys)
	return call('ZRANGE', keys[1], 0, -1)
end

-- keys: wave waves todo wavebad wavesite ev; args: name who. Only one that nothing moves in: neither
-- jobs in flight nor setups that wait for it.
local function wave_remove(keys, args)
	local w = call('HMGET', keys[1], 'st', 'kind', 'in')
	if not w[1] then
		return MISSING
	elseif w[1] == 'running' and w[2] ~= 'setup' or tonumber(w[3]) > 0 or
		w[2] == 'setup' and call('ZCARD', keys[3]) > 0 then
		return STATE
	end
	call('DEL', keys[1], keys[3], keys[4], keys[5])
	call('ZREM', keys[2], args[1])
	event(keys[6], 'wave', '', '', args[2], '', 'remove ' .. args[1])
	return 0
end
