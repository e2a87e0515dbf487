-- SPDX-License-Identifier: Apache-2.0
-- Upkeep: a job on a device that we know, opened by an operator or by the schedule, not by a Hello.
-- Such a job has k = its kind, a = its arguments, back = the state of the device before it, which
-- the device has again when the job gives up or is cancelled.

-- Whether a device in this state can have a job of this kind.
local function open_allowed(kind, state)
	if kind == 'adopt' then
		return state ~= 'active'
	end
	return state == 'done'
end

-- keys: dev job ready ev; args: uuid job kind args addr('' = the one on record) delay_ms who
local function open_job(keys, args)
	local dev, kind = keys[1], args[3]
	local d = call('HMGET', dev, 'state', 'gen', 'quar', 'addr', 'last', 'first')
	local state, now = d[1] or '', now_ms()
	if not d[6] and kind ~= 'adopt' then
		return MISSING
	elseif not open_allowed(kind, state) or (not d[4] and args[5] == '') then
		return STATE
	elseif d[3] and args[5] == '' then
		return QUARANTINED
	end
	local gen = math.max(tonumber(d[2]) or 0, 1)
	local set = { 'job', args[2], 'state', 'active', 'gen', gen }
	if not d[6] then
		put(set, 'first', int(now))
	end
	if args[5] ~= '' then
		put(set, 'addr', args[5])
		if d[5] then -- the source of a last Hello would win over it
			put(set, 'src', args[5])
		end
		call('HDEL', dev, 'quar', 'quar_ms', 'addr_alt', 'alt_ms')
	end
	call('HSET', dev, unpack(set))
	call('HSET', keys[2], 'dev', args[1], 'gen', gen, 'st', 'ready', 'k', kind, 'a', args[4],
		'back', state, 'pl', '', 'try', 0, 'lost', 0, 'f', 0, 'ow', '', 'tp', '', 'cr', int(now),
		'v', SCHEMA)
	call('ZADD', keys[3], int(now + args[6]), args[2])
	event(keys[4], 'open', args[2], args[1], args[7], '', kind .. ' ' .. args[4])
	return 0
end
