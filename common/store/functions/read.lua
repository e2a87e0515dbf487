-- SPDX-License-Identifier: Apache-2.0
-- Reading, and the list of running processes (for the operator's view only).

-- keys: job ready lease wait:ca wait:ad wait:manual; args: job. {state, score, fields} or nil.
local function job(keys, args)
	local fields = call('HGETALL', keys[1])
	if #fields == 0 then
		return false
	end
	local names = { false, 'ready', 'leased', 'waiting', 'waiting', 'waiting' }
	for i = 2, 6 do
		local score = call('ZSCORE', keys[i], args[1])
		if score then
			return { names[i], score, fields }
		end
	end
	return { call('HGET', keys[1], 'st'), '0', fields }
end

-- keys: ready lease wait:ca wait:ad wait:manual dead done
-- Answers now, due, the seven lengths, due time of the first ready job (0 = none).
local function counts(keys)
	local now = now_ms()
	local out = { now, call('ZCOUNT', keys[1], '-inf', int(now)) }
	for i = 1, 7 do
		out[i + 2] = call('ZCARD', keys[i])
	end
	out[10] = tonumber(call('ZRANGE', keys[1], 0, 0, 'WITHSCORES')[2]) or 0
	return out
end

-- keys: peers; args: id text ttl_ms. One hash of id -> until ms, text; the dead are swept out here.
local function peer_beat(keys, args)
	local now, all = now_ms(), call('HGETALL', keys[1])
	for i = 1, #all, 2 do
		if tonumber(string.match(all[i + 1], '^%d+')) < now then
			call('HDEL', keys[1], all[i])
		end
	end
	call('HSET', keys[1], args[1], int(now + args[3]) .. ' ' .. args[2])
	return 0
end

-- keys: peers. Answers id, text, id, text, ... of those alive.
local function peer_list(keys)
	local now, all, out = now_ms(), call('HGETALL', keys[1]), {}
	for i = 1, #all, 2 do
		local till, text = string.match(all[i + 1], '^(%d+) (.*)$')
		if tonumber(till) >= now then
			out[#out + 1] = all[i]
			out[#out + 1] = text
		end
	end
	return out
end

local function schema()
	return SCHEMA
end
