-- SPDX-License-Identifier: Apache-2.0
-- PSK pairs: what stands behind a PID. One hash per pair: b = sealed secrets, st = free (imported,
-- not used yet), fresh (made by us for device u, on its way into it) or used (u was set up with it),
-- u = the device it belongs to, src = where it came from, cr, us = times, bad, bad_u, bad_ms =
-- handshakes that it failed. The PPS in it is sealed: nothing here can compare two of them.

-- keys: psk ev; args: pid blob uuid('' = free) source who.
-- 0, or what is there already: a PID that is stored is never overwritten (psk.md 3).
local function psk_put(keys, args)
	local old = call('HGETALL', keys[1])
	if #old > 0 then
		return old
	end
	call('HSET', keys[1], 'b', args[2], 'u', args[3], 'st', args[3] == '' and 'free' or 'fresh',
		'src', args[4], 'cr', int(now_ms()))
	event(keys[2], 'psk', '', args[3], args[5], '', 'add ' .. args[1])
	return 0
end

-- keys: psk; args: pid
local function psk_get(keys)
	return call('HGETALL', keys[1])
end

-- keys: psk ev; args: pid uuid what(used | mismatch) job. A pair that another device was set up with
-- is not ours to mark.
local function psk_mark(keys, args)
	local p = call('HMGET', keys[1], 'st', 'u')
	if not p[1] then
		return MISSING
	elseif p[2] ~= '' and p[2] ~= args[2] then
		return STATE
	end
	local now = int(now_ms())
	if args[3] == 'used' then
		call('HSET', keys[1], 'st', 'used', 'u', args[2], 'us', now)
		call('HDEL', keys[1], 'bad', 'bad_u', 'bad_ms')
	else
		call('HINCRBY', keys[1], 'bad', 1)
		call('HSET', keys[1], 'bad_u', args[2], 'bad_ms', now)
	end
	event(keys[2], 'psk', args[4], args[2], '', '', args[3] .. ' ' .. args[1])
	return 0
end

-- keys: psk ev; args: pid who
local function psk_delete(keys, args)
	if call('DEL', keys[1]) == 0 then
		return MISSING
	end
	event(keys[2], 'psk', '', '', args[2], '', 'delete ' .. args[1])
	return 0
end
