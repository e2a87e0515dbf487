-- SPDX-License-Identifier: Apache-2.0
-- Devices that an operator's list names before they say Hello.

-- What the list told comes too late: in service, or its setup has given it a name.
local function too_late(d, lease)
	if d[1] == 'active' or d[1] == 'dead' then
		return d[3] or d[4] or (d[1] == 'active' and call('ZSCORE', lease, d[5] or ''))
	end
	return d[1] == 'done'
end

-- keys: dev lease ev; args: uuid who told, fields from 4. 1 = the very same was told before.
local function expect(keys, args)
	local dev = keys[1]
	local d = call('HMGET', dev, 'state', 'told', 'sec_cur', 'sec_pend', 'job')
	if d[2] == args[3] then
		return 1
	elseif too_late(d, keys[2]) then
		return STATE
	end
	local refusal = fields_check(dev, args, 4)
	if refusal ~= 0 then
		return refusal
	end
	local set = { 'told', args[3] }
	if not d[1] then
		put(set, 'state', 'expected')
	end
	fields_set(dev, args, 4, set, {})
	event(keys[3], 'expect', '', args[1], args[2], '', '')
	return 0
end
