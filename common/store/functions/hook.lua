-- SPDX-License-Identifier: Apache-2.0
-- What the operator's hooks are still to be told. It is written by the function that ends a job, in
-- the same act: a worker that dies afterwards loses nothing, another one tells it. At least once.
--
-- hooks           HASH  moment -> until when somebody wants it (workers with such a hook say so)
-- hookq:<moment>  ZSET  notice -> when it is due; while a worker tells it: when another may try
-- hookd           HASH  notice -> what is told, as JSON
-- hookn           HASH  notice -> how often it was tried

local HOOK_WANT_MS = 604800000 -- a site whose workers are all down for a week loses no notice
local HOOK_QUEUE_MAX = 100000  -- of one moment; then the newest is dropped, with an event

-- Which moment the good end of a job is. Others are nobody's business.
local HOOK_AFTER = { setup = 'after-configure', adopt = 'after-configure',
	maintain = 'after-configure', unconfigure = 'after-unconfigure' }

-- A job has ended; its hash and the device's say how. moment nil = the end of this job is none.
local function hook_due(job, uuid, moment, ev, now)
	local till = moment and tonumber(call('HGET', sibling(job, 'hooks'), moment))
	if not till or till < now then
		return
	end
	local queue, id = sibling(job, 'hookq:' .. moment), string.match(job, 'job:(.*)$')
	if call('ZCARD', queue) >= HOOK_QUEUE_MAX then
		event(ev, 'hook', id, uuid, '', '', moment .. ' dropped: the queue is full')
		return
	end
	local notice = moment .. '.' .. id .. '.' .. int(now)
	local j = call('HMGET', job, 'k', 'res', 'err', 'txt', 'step')
	local d = call('HMGET', sibling(job, 'dev:' .. uuid), 'addr', 'amt', 'fqdn', 'profile', 'ou')
	call('HSET', sibling(job, 'hookd'), notice, cjson.encode({
		v = 1, moment = moment, uuid = uuid, job = id, kind = j[1] or 'setup',
		result = moment == 'on-failure' and '' or j[2] or '', reason = j[3] or '', text = j[4] or '',
		step = j[5] or '', address = d[1] or '', amt = d[2] or '', fqdn = d[3] or '',
		profile = d[4] or '', ou = d[5] or '', time_ms = now }))
	call('ZADD', queue, int(now), notice)
end

-- keys: hooks hookq:<moment> hookd hookn; args: moment limit lease_ms
-- Says that the moment is wanted, and takes what is due. Answers triples notice, JSON, tries.
local function hook_claim(keys, args)
	local now, out = now_ms(), {}
	call('HSET', keys[1], args[1], int(now + HOOK_WANT_MS))
	if tonumber(args[2]) == 0 then
		return out
	end
	local due = call('ZRANGEBYSCORE', keys[2], '-inf', int(now), 'LIMIT', 0, args[2])
	for _, id in ipairs(due) do
		call('ZADD', keys[2], int(now + args[3]), id)
		out[#out + 1] = id
		out[#out + 1] = call('HGET', keys[3], id) or ''
		out[#out + 1] = call('HINCRBY', keys[4], id, 1)
	end
	return out
end

-- keys: hookq:<moment> hookd hookn ev; args: notice delay_ms(-1 = over) uuid who text
-- A notice that another worker has ended meanwhile stays ended.
local function hook_end(keys, args)
	if tonumber(args[2]) >= 0 then
		call('ZADD', keys[1], 'XX', int(now_ms() + args[2]), args[1])
	else
		call('ZREM', keys[1], args[1])
		call('HDEL', keys[2], args[1])
		call('HDEL', keys[3], args[1])
	end
	event(keys[4], 'hook', string.match(args[1], '^[^.]*%.([^.]*)') or '', args[3], args[4], '',
		args[5])
	return 0
end
