-- SPDX-License-Identifier: Apache-2.0
-- The operator's calls.

-- keys of cancel and kick: job dev ready lease wait:ca wait:ad wait:manual dead ev
local function unlist(keys, id)
	for i = 3, 8 do
		call('ZREM', keys[i], id)
	end
end

-- args: job uuid who text
local function cancel(keys, args)
	local job, dev = keys[1], keys[2]
	local j = call('HMGET', job, 'st', 'dev', 'f', 'back', 'k', 'wv')
	if not j[1] or j[2] ~= args[2] then
		return MISSING
	elseif j[1] == 'done' or j[1] == 'cancelled' then
		return STATE
	end
	local now = now_ms()
	local fence = next_fence(j[3], now) -- a running owner is refused at its next step
	unlist(keys, args[1])
	call('HSET', job, 'st', 'cancelled', 'f', fence, 'ow', '', 'fi', int(now), 'err', 'cancelled',
		'txt', args[4])
	call('HDEL', job, 'pl', 'ck')
	call('EXPIRE', job, KEEP_S)
	if call('HGET', dev, 'job') == args[1] then -- else the device has a newer job, and its state from that
		call('HSET', dev, 'state', j[4] or 'cancelled')
		call('HDEL', dev, 'quar', 'quar_ms')
		if not j[5] then
			call('HSET', dev, 'end_ms', int(now))
		end
		if j[4] and not j[5] then -- its Hello is refused, and so is the address that it came from
			call('HSET', dev, 'src', call('HGET', dev, 'addr'))
			call('HDEL', dev, 'win', 'ext')
		end
	end
	if j[1] ~= 'dead' then -- else that was when it died
		upkeep_failed(job, args[2], j[5], j[6], 'cancelled', now)
	end
	event(keys[9], 'cancel', args[1], args[2], args[3], fence, args[4])
	return 0
end

-- What an operator lets go on by a kick, and how the job says so. Kicked for another reason, a job may
-- still come to wait for one of these.
local LETS_GO = { approval = 'approved', wave = 'kicked' }

-- args: job uuid who addr('' = keep)
local function kick(keys, args)
	local job, dev = keys[1], keys[2]
	local j = call('HMGET', job, 'st', 'dev', 'f', 'err', 'back', 'k', 'gen', 'cr')
	local quar = call('HEXISTS', dev, 'quar') == 1
	if not j[1] or j[2] ~= args[2] then
		return MISSING
	elseif j[1] == 'done' or j[1] == 'cancelled' or j[1] == 'leased' then
		return STATE
	elseif call('HGET', dev, 'job') ~= args[1] then
		return STATE -- the device has a newer job
	elseif args[4] == '' and quar then
		return QUARANTINED
	end
	local now = now_ms()
	local fence = next_fence(j[3], now)
	unlist(keys, args[1])
	if j[1] == 'dead' then
		call('HSET', job, 'try', 0, 'lost', 0)
		call('HDEL', job, 'fi')
	end
	call('HSET', job, 'st', 'ready', 'f', fence)
	if not quar and LETS_GO[j[4]] then
		call('HSET', job, LETS_GO[j[4]], 1)
	end
	if j[5] and not j[6] then -- a device in service said Hello: only now it is taken out of it
		call('HDEL', job, 'back')
		generation_open(dev, j[7], j[8])
	end
	call('ZADD', keys[3], int(now), args[1])
	call('HSET', dev, 'state', 'active')
	if args[4] ~= '' then
		call('HSET', dev, 'addr', args[4], 'src', args[4])
		call('HDEL', dev, 'quar', 'quar_ms', 'addr_alt', 'alt_ms')
	end
	event(keys[9], 'kick', args[1], args[2], args[3], fence, args[4])
	return 0
end

-- keys: dev ev; args: uuid reason('' = lift) who
local function deny(keys, args)
	if args[2] == '' then
		call('HDEL', keys[1], 'deny')
	else
		call('HSET', keys[1], 'deny', args[2])
	end
	event(keys[2], 'deny', '', args[1], args[3], '', args[2])
	return 0
end

-- keys: dev job dead done ev; args: uuid job('' = none) who
local function forget(keys, args)
	local d = call('HMGET', keys[1], 'state', 'job')
	if call('EXISTS', keys[1]) == 0 then
		return MISSING
	elseif d[1] == 'active' or (d[2] or '') ~= args[2] then
		return STATE
	end
	call('DEL', keys[1], keys[2])
	call('ZREM', keys[3], args[2])
	call('ZREM', keys[4], args[2])
	event(keys[5], 'forget', args[2], args[1], args[3], '', '')
	return 0
end

-- keys: ev; args: event uuid who text
local function audit(keys, args)
	event(keys[1], args[1], '', args[2], args[3], '', args[4])
	return 0
end
