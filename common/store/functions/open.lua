-- SPDX-License-Identifier: Apache-2.0
-- Upkeep: a job on a device that we know, opened by an operator, a wave or the calendar, not by a
-- Hello. Such a job has k = its kind, a = its arguments, back = the state of the device before it,
-- which the device has again when the job gives up or is cancelled.

-- Another server has a device that ended so: it may be adopted back.
local LOST = { changed_hands = true, realm_changed = true }

-- Whether a device in this state can have a job of this kind. err: how its last job ended.
local function open_allowed(kind, state, err)
	if kind == 'adopt' then -- of one in service the password that works is on record already
		return state ~= 'active' and (state ~= 'done' or LOST[err])
	end
	return state == 'done'
end

-- An id for a job that Redis itself opens: the form of a UUIDv7, from the time, the device and the
-- number of the job in this call.
local function open_id(uuid, now, n)
	local h = redis.sha1hex(uuid .. int(now) .. ':' .. n)
	return string.format('%08x-%04x-7%s-8%s-%s', math.floor(now / 65536), now % 65536,
		string.sub(h, 1, 3), string.sub(h, 4, 6), string.sub(h, 7, 18))
end

-- o: kind, args, addr ('' = the one on record), who, give ('' = none) and the device's fields from
-- o.more[9] on.
local function open_new(dev, job, ready, ev, id, uuid, o, due)
	local d = call('HMGET', dev, 'state', 'gen', 'quar', 'addr', 'last', 'first', 'err')
	local state, now = d[1] or '', now_ms()
	if not d[6] and o.kind ~= 'adopt' then
		return MISSING
	elseif not open_allowed(o.kind, state, d[7]) or (not d[4] and o.addr == '') then
		return STATE
	elseif d[3] and o.addr == '' then
		return QUARANTINED
	end
	local refusal = o.more and fields_check(dev, o.more, 9) or 0
	if refusal ~= 0 then
		return refusal
	end
	local gen = math.max(tonumber(d[2]) or 0, 1)
	local set = { 'job', id, 'state', 'active', 'gen', gen }
	if not d[6] then
		put(set, 'first', int(now))
	end
	if o.addr ~= '' then
		put(set, 'addr', o.addr)
		if d[5] then -- the source of a last Hello would win over it
			put(set, 'src', o.addr)
		end
		call('HDEL', dev, 'quar', 'quar_ms', 'addr_alt', 'alt_ms')
	end
	if o.give then
		put(set, 'sec_give', o.give)
	end
	fields_set(dev, o.more or {}, 9, set, {})
	call('HSET', job, 'dev', uuid, 'gen', gen, 'st', 'ready', 'k', o.kind, 'a', o.args, 'back',
		state ~= '' and state or 'dead', 'pl', '', 'try', 0, 'lost', 0, 'f', 0, 'ow', '', 'tp', '', 'cr', int(now), 'v',
		SCHEMA)
	call('ZADD', ready, int(due), id)
	event(ev, 'open', id, uuid, o.who, '', o.kind .. ' ' .. o.args)
	return 0
end

-- keys: dev job ready ev; args: uuid job kind args addr('' = the one on record) delay_ms who
-- give('' = none), fields from 9
local function open_job(keys, args)
	return open_new(keys[1], keys[2], keys[3], keys[4], args[2], args[1],
		{ kind = args[3], args = args[4], addr = args[5], who = args[7],
			give = args[8] ~= '' and args[8], more = args }, now_ms() + args[6])
end
