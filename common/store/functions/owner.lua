-- SPDX-License-Identifier: Apache-2.0
-- The calls of the worker that owns a job.

-- keys: job dev lease ev; args: job uuid fence owner ttl. Answers {0, job, dev} or {refusal}.
local function begin(keys, args)
	local job, dev, lease, ev = keys[1], keys[2], keys[3], keys[4]
	local refusal, owner = owned(job, args[3], args[2], false)
	if refusal ~= 0 then
		return { refusal }
	end
	local now = now_ms()
	if owner ~= '' and owner ~= args[4] then
		return { STALE }
	end
	call('ZADD', lease, 'GT', int(now + args[5]), args[1])
	if owner == '' then
		call('HSET', job, 'ow', args[4], 'be', int(now))
		event(ev, 'begin', args[1], args[2], args[4], args[3], '')
	end
	return { 0, call('HGETALL', job), call('HGETALL', dev) }
end

local ACT_PENDING, ACT_PROMOTE, ACT_DROP, ACT_SETTLE = '1', '2', '3', '4'

-- Promote and drop may be repeated: a reply may have been lost (ruling 15).
local function secrets_check(dev, act)
	if (act == ACT_PROMOTE or act == ACT_SETTLE) and call('HEXISTS', dev, 'sec_pend') == 0 and
		call('HEXISTS', dev, 'sec_cur') == 0 then
		return PENDING
	end
	return 0
end

local function secrets_set(dev, act, pending, set, del)
	if act == ACT_PENDING then
		put(set, 'sec_pend', pending)
	elseif act == ACT_DROP then
		del[1] = 'sec_pend'
	elseif act == ACT_PROMOTE or act == ACT_SETTLE then
		local s = call('HMGET', dev, 'sec_pend', 'sec_cur')
		if s[1] then
			if s[2] and act == ACT_PROMOTE then
				put(set, 'sec_prev', s[2])
			end
			put(set, 'sec_cur', s[1])
			del[1] = 'sec_pend'
		end
	end
end

local ACT_NAMES = { [ACT_PENDING] = 'pending', [ACT_PROMOTE] = 'promote', [ACT_DROP] = 'drop',
	[ACT_SETTLE] = 'settle' }

-- keys: job dev lease ev; args: job uuid fence ttl step checkpoint act pending, fields from 9
local function step(keys, args)
	local job, dev, lease = keys[1], keys[2], keys[3]
	local refusal = owned(job, args[3], args[2], true)
	if refusal == 0 then
		refusal = fields_check(dev, args, 9)
	end
	if refusal == 0 then
		refusal = secrets_check(dev, args[7])
	end
	if refusal ~= 0 then
		return refusal
	end
	call('ZADD', lease, 'GT', int(now_ms() + args[4]), args[1])
	local set, del = {}, {}
	secrets_set(dev, args[7], args[8], set, del)
	job_set(job, args[5], args[6], {})
	fields_set(dev, args, 9, set, del)
	if ACT_NAMES[args[7]] then
		event(keys[4], 'secret', args[1], args[2], '', args[3], ACT_NAMES[args[7]])
	end
	return 0
end

-- keys: lease, then the jobs; args: ttl, then id, uuid, fence of each. Answers one number per job.
local function renew(keys, args)
	local till, out = int(now_ms() + args[1]), {}
	for i = 2, #keys do
		local a = 3 * i - 4
		out[i - 1] = owned(keys[i], args[a + 2], args[a + 1], true)
		if out[i - 1] == 0 then
			call('ZADD', keys[1], 'GT', till, args[a])
		end
	end
	return out
end

-- The state of a device whose job ended well. back = its state before an upkeep job.
local function state_done(kind, back)
	if kind == 'unconfigure' then
		return 'unconfigured'
	end
	return (not kind or kind == 'adopt') and 'done' or back
end

-- keys: job dev lease done ev; args: job uuid fence result, fields from 5
local function finish(keys, args)
	local job, dev, lease, done, ev = keys[1], keys[2], keys[3], keys[4], keys[5]
	local was = call('HMGET', job, 'st', 'f', 'res', 'dev', 'k', 'back', 'wv')
	if was[1] == 'done' and was[2] == args[3] and was[4] == args[2] then
		return was[3] == args[4] and 0 or STATE -- a repeat: the reply was lost
	end
	local refusal, owner = owned(job, args[3], args[2], true)
	if refusal == 0 then
		refusal = fields_check(dev, args, 5)
	end
	-- One that only reads leaves what it found pending to the next job that writes.
	if refusal == 0 and was[5] ~= 'check' and call('HEXISTS', dev, 'sec_pend') == 1 then
		refusal = PENDING
	end
	if refusal ~= 0 then
		return refusal
	end
	local now = int(now_ms())
	call('HSET', job, 'st', 'done', 'res', args[4], 'fi', now)
	call('HDEL', job, 'pl', 'ck', 'err', 'txt')
	call('EXPIRE', job, KEEP_S)
	call('ZREM', lease, args[1])
	list_done(done, args[1], tonumber(now))
	-- The fields may say unconf again: the plan unconfigured the device.
	local set, del = { 'state', state_done(was[5], was[6]), 'res', args[4] }, { 'err', 'txt' }
	if not was[5] or was[5] == 'adopt' then
		put(set, 'done_ms', now)
		put(set, 'end_ms', now)
		del[3] = 'unconf'
		del[4] = 'sec_give' -- it has passwords of ours now
	end
	fields_set(dev, args, 5, set, del)
	if was[7] then
		wave_ended(job, was[7], args[2], true, '', tonumber(now))
	end
	schedule_next(job, dev, args[2], was[5], tonumber(now))
	event(ev, 'finish', args[1], args[2], owner, args[3], args[4])
	hook_due(job, args[2], HOOK_AFTER[was[5] or 'setup'], ev, tonumber(now))
	return 0
end

-- keys: job dev lease ready dead ev
-- args: job uuid fence dead(0|1) max_attempts delay_ms err txt step checkpoint, fields from 11
-- Answers 0 = will be retried, 1 = dead, or a refusal.
local function fail(keys, args)
	local job, dev, lease, ready, dead, ev = keys[1], keys[2], keys[3], keys[4], keys[5], keys[6]
	local refusal, owner = owned(job, args[3], args[2], true)
	if refusal == 0 then
		refusal = fields_check(dev, args, 11)
	end
	if refusal ~= 0 then
		return refusal
	end
	local now, id = now_ms(), args[1]
	local tries = call('HINCRBY', job, 'try', 1)
	local dies = args[4] == '1' or tries >= tonumber(args[5])
	local set = { 'ow', '', 'err', args[7], 'txt', args[8], 'st', dies and 'dead' or 'ready' }
	local dev_set = { 'err', args[7], 'txt', args[8] }
	if dies then
		put(set, 'fi', int(now))
		local j = call('HMGET', job, 'back', 'k', 'wv')
		put(dev_set, 'state', j[1] or 'dead')
		upkeep_failed(job, args[2], j[2], j[3], args[7], now)
		call('ZADD', dead, int(now), id)
	else
		call('ZADD', ready, int(now + args[6]), id)
	end
	call('ZREM', lease, id)
	job_set(job, args[9], args[10], set)
	fields_set(dev, args, 11, dev_set, {})
	event(ev, dies and 'dead' or 'fail', id, args[2], owner, args[3], args[7])
	if dies then
		hook_due(job, args[2], 'on-failure', ev, now)
	end
	return dies and 1 or 0
end

-- A job that only an operator can wake is woken once, when three quarters of its device's time are over,
-- to ask the device for more; see window.lua.
local function park_poll(dev, poll, err, now)
	if poll ~= 'never' then
		return int(now + poll)
	end
	local d = WINDOW_KEPT[err] and call('HMGET', dev, 'win', 'ext')
	local win = d and not d[2] and tonumber(d[1])
	return win and win > now and int(now + (win - now) * 3 / 4) or NEVER
end

-- keys: job dev lease wait:<why> ev
-- args: job uuid fence why poll_ms(or never) err txt step checkpoint quarantine('' = no), fields
-- from 11
local function park(keys, args)
	local job, dev, lease, wait, ev = keys[1], keys[2], keys[3], keys[4], keys[5]
	local refusal, owner = owned(job, args[3], args[2], true)
	if refusal == 0 then
		refusal = fields_check(dev, args, 11)
	end
	if refusal ~= 0 then
		return refusal
	end
	local now = now_ms()
	local poll = park_poll(dev, args[5], args[6], now)
	local held = args[10] ~= '' and { 'quar', args[10], 'quar_ms', int(now) } or {}
	job_set(job, args[8], args[9],
		{ 'st', 'waiting', 'why', args[4], 'ow', '', 'err', args[6], 'txt', args[7] })
	fields_set(dev, args, 11, held, {})
	call('ZREM', lease, args[1])
	call('ZADD', wait, poll, args[1])
	event(ev, 'park', args[1], args[2], owner, args[3], args[4] .. ' ' .. args[6])
	return 0
end

-- keys: job lease ready ev dev; args: job uuid fence step checkpoint window_ms('' = as it was). Also
-- before begin.
local function release(keys, args)
	local job, lease, ready, ev = keys[1], keys[2], keys[3], keys[4]
	local refusal, owner = owned(job, args[3], args[2], false)
	if refusal ~= 0 then
		return refusal
	end
	job_set(job, args[4], args[5], { 'st', 'ready', 'ow', '' })
	call('ZREM', lease, args[1])
	call('ZADD', ready, int(now_ms()), args[1])
	if args[6] ~= '' then -- of a device that has just given more time
		call('HSET', keys[5], 'win', int(now_ms() + args[6]))
	end
	event(ev, 'release', args[1], args[2], owner, args[3], args[6] ~= '' and 'extended' or '')
	return 0
end
