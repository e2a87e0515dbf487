-- SPDX-License-Identifier: Apache-2.0
-- The broker's calls: claim and reap.

-- What a setup job is to do before anything else. Noted before it is done: asked once, or not at all.
local function claim_asks(dev, ext)
	if ext ~= '1' then
		return false
	end
	call('HSET', dev, 'ext', 2)
	return 'extend'
end

-- The newest address wins; a Hello that came while the job was leased has left it in src (ruling 2). A
-- device in service says none: somebody else's must not lead its upkeep away.
local function claim_address(dev, kind)
	local d = call('HMGET', dev, 'addr', 'src', 'quar', 'ext')
	if kind or not d[2] or d[3] or d[1] == d[2] then
		return d[1], d[4]
	end
	call('HSET', dev, 'addr', d[2])
	return d[2], d[4]
end

-- keys: ready lease ev; args: n lease_ms prefix. Answers one row per job.
local function claim(keys, args)
	local ready, lease, ev, prefix = keys[1], keys[2], keys[3], args[3]
	local now, out = now_ms(), {}
	local ids = call('ZRANGEBYSCORE', ready, '-inf', int(now), 'LIMIT', 0, args[1])
	for i, id in ipairs(ids) do
		local job = prefix .. 'job:' .. id
		local j = call('HMGET', job, 'dev', 'gen', 'f', 'try', 'lost', 'ck', 'pl', 'tp',
			'k', 'a')
		local fence = next_fence(j[3], now)
		local dev = prefix .. 'dev:' .. j[1]
		local addr, ext = claim_address(dev, j[9])
		call('ZREM', ready, id)
		call('ZADD', lease, int(now + args[2]), id)
		call('HSET', job, 'st', 'leased', 'f', fence, 'ow', '')
		event(ev, 'claim', id, j[1], '', fence, '')
		out[i] = { id, j[1], j[2], fence, addr, j[4], j[5], j[6], j[7], j[8], j[9],
			j[10] or claim_asks(dev, ext) }
	end
	return out
end

local function reap_lost(k, prefix, id, max_lost, now)
	local job = prefix .. 'job:' .. id
	local j = call('HMGET', job, 'dev', 'f', 'ow', 'lost', 'back', 'k', 'wv')
	local fence, lost = next_fence(j[2], now), tonumber(j[4])
	if j[3] ~= '' then
		lost = lost + 1 -- only a lease that was begun counts (ruling 20)
	end
	call('ZREM', k.lease, id)
	call('HSET', job, 'f', fence, 'ow', '', 'lost', lost)
	if j[3] == '' or lost < max_lost then
		call('HSET', job, 'st', 'ready')
		call('ZADD', k.ready, int(now), id)
		event(k.ev, 'reap', id, j[1], j[3], fence, '')
		return false
	end
	local err, txt = 'lease_lost', 'the worker was lost ' .. lost .. ' times during this job'
	call('HSET', job, 'st', 'dead', 'fi', int(now), 'err', err, 'txt', txt)
	call('ZADD', k.dead, int(now), id)
	call('HSET', prefix .. 'dev:' .. j[1], 'state', j[5] or 'dead', 'err', err,
		'txt', txt)
	upkeep_failed(job, j[1], j[6], j[7], err, now)
	event(k.ev, 'dead', id, j[1], j[3], fence, err)
	hook_due(job, j[1], 'on-failure', k.ev, now)
	return true
end

-- What waits for somebody who has decided about the device, or will: its window is worth keeping open.
local WINDOW_KEPT = { wave = true, approval = true }

-- The poll time of a waiting job has come. One that waits for an operator is woken for its window only.
local function reap_wake(k, prefix, id, now)
	local job = prefix .. 'job:' .. id
	local j = call('HMGET', job, 'dev', 'err')
	call('ZADD', k.ready, int(now), id)
	call('HSET', job, 'st', 'ready')
	if WINDOW_KEPT[j[2]] then
		call('HSET', prefix .. 'dev:' .. j[1], 'ext', 1)
	end
	event(k.ev, 'wake', id, j[1], '', '', '')
end

-- keys: lease ready dead wait:ca wait:ad wait:manual ev; args: grace_ms max_lost limit prefix
-- Answers: requeued, dead, woken, more (0 or 1).
local function reap(keys, args)
	local k = { lease = keys[1], ready = keys[2], dead = keys[3], ev = keys[7] }
	local now, limit, prefix = now_ms(), tonumber(args[3]), args[4]
	local requeued, dead, woken = 0, 0, 0
	local ids = call('ZRANGEBYSCORE', k.lease, '-inf', '(' .. int(now - args[1]), 'LIMIT', 0, limit)
	for _, id in ipairs(ids) do
		if reap_lost(k, prefix, id, tonumber(args[2]), now) then
			dead = dead + 1
		else
			requeued = requeued + 1
		end
	end
	local more = #ids == limit and 1 or 0
	for list = 4, 6 do
		ids = call('ZRANGEBYSCORE', keys[list], '-inf', int(now), 'LIMIT', 0, limit)
		for _, id in ipairs(ids) do
			call('ZREM', keys[list], id)
			reap_wake(k, prefix, id, now)
		end
		woken = woken + #ids
		more = #ids == limit and 1 or more
	end
	return { requeued, dead, woken, more }
end
