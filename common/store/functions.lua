#!lua name=muster_v1
-- SPDX-License-Identifier: Apache-2.0
-- The transitions of jobs and devices. One function per arrow of the picture in store.h; the C face
-- there is the reference for meanings, this file for the guards.
--
-- Rules: time is Redis' TIME only; no randomness; all keys are declared, except that claim and reap
-- touch jobs and devices below their own tag (architecture 2, ruling 23); nothing is scanned; every
-- function is O(log n) in the number of jobs and O(1) in the number of devices.
-- Answers: a number, 0 = done, negative = refused and nothing changed:
local STALE, MISSING, STATE, PENDING, DEK, FIELD, QUARANTINED = -1, -2, -3, -4, -5, -6, -7

local SCHEMA = '1'
local KEEP_S = 604800      -- done and cancelled jobs stay readable for 7 days (ruling 24)
local SWING_MS = 3600000   -- A, B, A within this is two devices with one UUID (ruling 2)
local EVENTS_MAX = 1000000 -- audit stream, approximate
local NEVER = '+inf'       -- poll time of a job that only an operator can wake

-- While the library is being loaded neither redis.call nor string and pairs exist.
local function call(...)
	return redis.call(...)
end

local function now_ms()
	local t = call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Numbers above 2^31 must not be written in exponent form.
local function int(n)
	return string.format('%.0f', n)
end

local function event(ev, name, job, uuid, who, fence, text)
	call('XADD', ev, 'MAXLEN', '~', EVENTS_MAX, '*', 'e', name, 'j', job, 'd', uuid, 'w', who,
		'f', fence, 'x', text)
end

-- A fence that grows even if a failover forgot the last one (D13.1).
local function next_fence(stored, now)
	return int(math.max((tonumber(stored) or 0) + 1, now))
end

-- Fields of a device that a worker may set; everything else belongs to the functions.
local SETTABLE = { fqdn = 1, profile = 1, ou = 1, amt = 1, port = 1, cert_fp = 1, cert_serial = 1,
	ad_dn = 1, realm = 1, tlsp = 1, seen12 = 1, setup_fp = 1, setup_fp3 = 1, suffix = 1, audit = 1,
	pw_tries = 1, rehello = 1, unconf = 1, dek = 1 }

-- Pairs name, value from args[first] on. Checked before anything is written.
local function fields_check(dev, args, first)
	for i = first, #args, 2 do
		if not SETTABLE[args[i]] or args[i + 1] == nil then
			return FIELD
		end
		if args[i] == 'dek' then
			local old = call('HGET', dev, 'dek')
			if old and old ~= args[i + 1] then
				return DEK -- overwriting it would lose every secret of the device
			end
		end
	end
	return 0
end

-- One HSET and one HDEL for all: every command costs time here and again in the append-only file.
-- set, del: what the caller has to change besides.
local function fields_set(dev, args, first, set, del)
	for i = first, #args, 2 do
		if args[i + 1] == '' then
			del[#del + 1] = args[i]
		else
			set[#set + 1] = args[i]
			set[#set + 1] = args[i + 1]
		end
	end
	if #del > 0 then
		call('HDEL', dev, unpack(del))
	end
	if #set > 0 then
		call('HSET', dev, unpack(set))
	end
end

-- The guard of every call of an owner. begun = the lease must have been begun. Also says who.
local function owned(job, fence, uuid, begun)
	local j = call('HMGET', job, 'st', 'f', 'dev', 'ow')
	if j[1] ~= 'leased' or j[2] ~= fence or j[3] ~= uuid or (begun and j[4] == '') then
		return STALE
	end
	return 0, j[4]
end

-- set: what the caller has to change in the job besides step and checkpoint.
local function job_set(job, step, ck, set)
	if step ~= '' then
		set[#set + 1] = 'step'
		set[#set + 1] = step
	end
	if ck ~= '' then
		set[#set + 1] = 'ck'
		set[#set + 1] = ck
	end
	if #set > 0 then
		call('HSET', job, unpack(set))
	end
end

-- Ends at most one old entry per call: the list cannot grow for ever, no call is long.
local function list_done(done, id, now)
	call('ZADD', done, int(now), id)
	local old = call('ZRANGEBYSCORE', done, '-inf', int(now - KEEP_S * 1000), 'LIMIT', 0, 2)
	if #old > 0 then
		call('ZREM', done, unpack(old))
	end
end

-- ---- admit -------------------------------------------------------------------------------------

local NEW, DUP, IGN, DENY, BUSY = 1, 2, 3, 4, 5

-- GCRA: the due time is the theoretical arrival time less the burst (D16). No key = no pacing.
local function pace(sub, now, rate, burst)
	if not sub then
		return now
	end
	local step = 1000 / rate
	local tat = math.max(now, tonumber(call('GET', sub)) or 0)
	local due = math.max(now, math.ceil(tat - (burst - 1) * step))
	tat = tat + step
	call('SET', sub, string.format('%.3f', tat), 'PX', int(math.ceil(tat - now) + 1000))
	return due
end

local DEV_READ = { 'gen', 'job', 'state', 'src', 'addr_alt', 'alt_ms', 'first', 'last', 'hellos',
	'hello_ms', 'end_ms', 'quar', 'deny', 'rehello', 'unconf', 'sec_cur', 'err' }

local function read_device(dev)
	local v, d = call('HMGET', dev, unpack(DEV_READ)), {}
	for i = 1, #DEV_READ do
		d[DEV_READ[i]] = v[i] or nil
	end
	return d
end

-- Pairs to write are collected in lists and written at once.
local function put(w, name, value)
	w[#w + 1] = name
	w[#w + 1] = value
end

-- Count the Hello and remember where it came from. True when the source swings A, B, A.
local function note_hello(w, d, addr, now)
	put(w, 'hellos', int((tonumber(d.hellos) or 0) + 1))
	put(w, 'last', int(now))
	if not d.first then
		put(w, 'first', int(now))
	end
	if d.src == addr then
		return false
	end
	put(w, 'src', addr)
	if d.src then
		put(w, 'addr_alt', d.src)
		put(w, 'alt_ms', d.last)
	end
	return d.addr_alt == addr and now - tonumber(d.alt_ms) <= SWING_MS
end

-- The job of the device leaves the queue. Its own hash is not declared in admit and stays as it is:
-- of a job that is neither leased nor over, the list it is in tells the state, not the hash.
local function quarantine(k, d, uuid, why)
	for _, list in ipairs({ k.ready, k.ca, k.ad }) do
		call('ZREM', list, d.job)
	end
	call('ZADD', k.manual, NEVER, d.job)
	event(k.ev, 'quarantine', d.job, uuid, '', '', why)
end

-- A Hello of a device whose job is alive.
local function admit_active(k, a, d, w, swing, now)
	if d.quar then
		return DENY
	end
	if call('ZSCORE', k.lease, d.job) then
		return DUP -- the source is noted, not used (ruling 2)
	end
	if swing then
		quarantine(k, d, a.uuid, 'address_swing')
		put(w, 'quar', 'address_swing')
		put(w, 'quar_ms', int(now))
		return DENY
	end
	put(w, 'addr', a.addr)
	local due = tonumber(call('ZSCORE', k.ready, d.job))
	if due and due > now then -- in back-off: due now, within the pace (ruling 6)
		call('ZADD', k.ready, int(math.min(due, pace(k.sub, now, a.rate, a.burst))), d.job)
	end
	return DUP
end

-- Why a new job must not start by itself: device word, job word, text; nothing = it may.
local function hold_back(a, d, gen, swing)
	if a.placeholder then
		return 'placeholder_uuid', 'quarantine', 'many boards carry this UUID'
	elseif swing then
		return 'address_swing', 'quarantine', 'two addresses say Hello with this UUID'
	elseif gen > 1 and d.rehello ~= 'auto' and d.unconf ~= '1' then
		return nil, 'approval', 'the device was configured before and says Hello again'
	end
end

-- A new generation keeps the key of its secrets, and the current ones as previous (ruling 16).
local function open_generation(k, d, w)
	if d.sec_cur then
		put(w, 'sec_prev', d.sec_cur)
	end
	d.hello_ms = nil
	call('HDEL', k.dev, 'sec_cur', 'done_ms', 'unconf', 'res')
end

local function admit_new(k, a, d, w, swing, now)
	local gen = math.max(tonumber(d.gen) or 0, 1)
	if d.state == 'done' then
		gen = gen + 1
		open_generation(k, d, w)
	end
	local quar, err, txt = hold_back(a, d, gen, swing)
	local job = { 'dev', a.uuid, 'gen', gen, 'st', err and 'waiting' or 'ready', 'pl', a.raw, 'try', 0,
		'lost', 0, 'f', 0, 'ow', '', 'tp', a.tp, 'cr', int(now), 'v', SCHEMA }
	put(w, 'gen', gen)
	put(w, 'job', a.id)
	put(w, 'state', 'active')
	put(w, 'addr', a.addr)
	if not d.hello_ms then
		put(w, 'hello_ms', int(now))
	end
	if d.err then
		call('HDEL', k.dev, 'err', 'txt')
	end
	if err then
		put(job, 'why', 'manual')
		put(job, 'err', err)
		put(job, 'txt', txt)
		call('ZADD', k.manual, NEVER, a.id)
	else
		call('ZADD', k.ready, int(pace(k.sub, now, a.rate, a.burst)), a.id)
	end
	if quar then
		put(w, 'quar', quar)
		put(w, 'quar_ms', int(now))
	end
	call('HSET', k.job, unpack(job))
	event(k.ev, 'admit', a.id, a.uuid, '', '', err or '')
	return NEW
end

local function admit_judge(k, a, d, w, cool, now)
	local swing = note_hello(w, d, a.addr, now)
	if d.deny then
		return DENY
	elseif d.state == 'active' then
		return admit_active(k, a, d, w, swing, now)
	elseif d.state == 'dead' then
		put(w, 'addr', a.addr)
		return IGN
	elseif cool then
		return IGN
	end
	return admit_new(k, a, d, w, swing, now)
end

-- keys: dev job ready lease wait:ca wait:ad wait:manual ev [sub]
-- args: uuid job addr hello traceparent cooldown max_waiting placeholder rate burst
local function admit(keys, args)
	local k = { dev = keys[1], job = keys[2], ready = keys[3], lease = keys[4], ca = keys[5],
		ad = keys[6], manual = keys[7], ev = keys[8], sub = keys[9] }
	local a = { uuid = args[1], id = args[2], addr = args[3], raw = args[4], tp = args[5],
		placeholder = args[8] == '1', rate = tonumber(args[9]), burst = tonumber(args[10]) }
	local now, d, w = now_ms(), read_device(k.dev), {}
	local over = d.state ~= 'active' and d.state ~= 'dead'
	local cool = d.end_ms and now - d.end_ms < tonumber(args[6])
	if over and not cool and not d.deny and call('ZCARD', k.manual) + call('ZCARD', k.ca) +
		call('ZCARD', k.ad) >= tonumber(args[7]) then
		return BUSY
	end
	local verdict = admit_judge(k, a, d, w, cool, now)
	call('HSET', k.dev, unpack(w))
	return verdict
end

-- ---- dispatch ----------------------------------------------------------------------------------

-- The newest address wins; a Hello that came while the job was leased has left it in src (ruling 2).
local function claim_address(dev)
	local d = call('HMGET', dev, 'addr', 'src', 'quar')
	if not d[2] or d[3] or d[1] == d[2] then
		return d[1]
	end
	call('HSET', dev, 'addr', d[2])
	return d[2]
end

-- keys: ready lease ev; args: n lease_ms prefix. Answers one row per job.
local function claim(keys, args)
	local ready, lease, ev, prefix = keys[1], keys[2], keys[3], args[3]
	local now, out = now_ms(), {}
	local ids = call('ZRANGEBYSCORE', ready, '-inf', int(now), 'LIMIT', 0, args[1])
	for i, id in ipairs(ids) do
		local job = prefix .. 'job:' .. id
		local j = call('HMGET', job, 'dev', 'gen', 'f', 'try', 'lost', 'ck', 'pl', 'tp')
		local fence = next_fence(j[3], now)
		local addr = claim_address(prefix .. 'dev:' .. j[1])
		call('ZREM', ready, id)
		call('ZADD', lease, int(now + args[2]), id)
		call('HSET', job, 'st', 'leased', 'f', fence, 'ow', '')
		event(ev, 'claim', id, j[1], '', fence, '')
		out[i] = { id, j[1], j[2], fence, addr, j[4], j[5], j[6], j[7], j[8] }
	end
	return out
end

local function reap_lost(k, prefix, id, max_lost, now)
	local job = prefix .. 'job:' .. id
	local j = call('HMGET', job, 'dev', 'f', 'ow', 'lost')
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
	call('HSET', prefix .. 'dev:' .. j[1], 'state', 'dead', 'err', err, 'txt', txt)
	event(k.ev, 'dead', id, j[1], j[3], fence, err)
	return true
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
			call('ZADD', k.ready, int(now), id)
			call('HSET', prefix .. 'job:' .. id, 'st', 'ready')
			event(k.ev, 'wake', id, '', '', '', '')
		end
		woken = woken + #ids
		more = #ids == limit and 1 or more
	end
	return { requeued, dead, woken, more }
end

-- ---- the owner's calls -------------------------------------------------------------------------

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

local ACT_PENDING, ACT_PROMOTE, ACT_DROP = '1', '2', '3'

-- Promote and drop may be repeated: a reply may have been lost (ruling 15).
local function secrets_check(dev, act)
	if act == ACT_PROMOTE and call('HEXISTS', dev, 'sec_pend') == 0 and
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
	elseif act == ACT_PROMOTE then
		local s = call('HMGET', dev, 'sec_pend', 'sec_cur')
		if s[1] then
			if s[2] then
				put(set, 'sec_prev', s[2])
			end
			put(set, 'sec_cur', s[1])
			del[1] = 'sec_pend'
		end
	end
end

local ACT_NAMES = { [ACT_PENDING] = 'pending', [ACT_PROMOTE] = 'promote', [ACT_DROP] = 'drop' }

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

-- keys: job dev lease done ev; args: job uuid fence result, fields from 5
local function finish(keys, args)
	local job, dev, lease, done, ev = keys[1], keys[2], keys[3], keys[4], keys[5]
	local was = call('HMGET', job, 'st', 'f', 'res', 'dev')
	if was[1] == 'done' and was[2] == args[3] and was[4] == args[2] then
		return was[3] == args[4] and 0 or STATE -- a repeat: the reply was lost
	end
	local refusal, owner = owned(job, args[3], args[2], true)
	if refusal == 0 then
		refusal = fields_check(dev, args, 5)
	end
	if refusal == 0 and call('HEXISTS', dev, 'sec_pend') == 1 then
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
	fields_set(dev, args, 5, { 'state', 'done', 'res', args[4], 'done_ms', now, 'end_ms', now },
		{ 'err', 'txt', 'unconf' })
	event(ev, 'finish', args[1], args[2], owner, args[3], args[4])
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
		put(dev_set, 'state', 'dead')
		call('ZADD', dead, int(now), id)
	else
		call('ZADD', ready, int(now + args[6]), id)
	end
	call('ZREM', lease, id)
	job_set(job, args[9], args[10], set)
	fields_set(dev, args, 11, dev_set, {})
	event(ev, dies and 'dead' or 'fail', id, args[2], owner, args[3], args[7])
	return dies and 1 or 0
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
	local poll = args[5] == 'never' and NEVER or int(now + args[5])
	local held = args[10] ~= '' and { 'quar', args[10], 'quar_ms', int(now) } or {}
	job_set(job, args[8], args[9],
		{ 'st', 'waiting', 'why', args[4], 'ow', '', 'err', args[6], 'txt', args[7] })
	fields_set(dev, args, 11, held, {})
	call('ZREM', lease, args[1])
	call('ZADD', wait, poll, args[1])
	event(ev, 'park', args[1], args[2], owner, args[3], args[4] .. ' ' .. args[6])
	return 0
end

-- keys: job lease ready ev; args: job uuid fence step checkpoint. Also before begin.
local function release(keys, args)
	local job, lease, ready, ev = keys[1], keys[2], keys[3], keys[4]
	local refusal, owner = owned(job, args[3], args[2], false)
	if refusal ~= 0 then
		return refusal
	end
	job_set(job, args[4], args[5], { 'st', 'ready', 'ow', '' })
	call('ZREM', lease, args[1])
	call('ZADD', ready, int(now_ms()), args[1])
	event(ev, 'release', args[1], args[2], owner, args[3], '')
	return 0
end

-- ---- the operator's calls ----------------------------------------------------------------------

-- keys of cancel and kick: job dev ready lease wait:ca wait:ad wait:manual dead ev
local function unlist(keys, id)
	for i = 3, 8 do
		call('ZREM', keys[i], id)
	end
end

-- args: job uuid who text
local function cancel(keys, args)
	local job, dev = keys[1], keys[2]
	local j = call('HMGET', job, 'st', 'dev', 'f')
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
	call('HSET', dev, 'state', 'cancelled', 'end_ms', int(now))
	call('HDEL', dev, 'quar', 'quar_ms')
	event(keys[9], 'cancel', args[1], args[2], args[3], fence, args[4])
	return 0
end

-- args: job uuid who addr('' = keep)
local function kick(keys, args)
	local job, dev = keys[1], keys[2]
	local j = call('HMGET', job, 'st', 'dev', 'f')
	if not j[1] or j[2] ~= args[2] then
		return MISSING
	elseif j[1] == 'done' or j[1] == 'cancelled' or j[1] == 'leased' then
		return STATE
	elseif args[4] == '' and call('HEXISTS', dev, 'quar') == 1 then
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

-- ---- reading -----------------------------------------------------------------------------------

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

-- ---- peers (operator's view only) --------------------------------------------------------------

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

-- allow-oom: what frees memory or guards a device must work when memory is full; admit must not.
local WRITE, READ = { 'allow-oom' }, { 'no-writes' }
local LIBRARY = {
	{ 'admit', admit, {} }, { 'claim', claim, WRITE }, { 'reap', reap, WRITE },
	{ 'begin', begin, WRITE }, { 'step', step, WRITE }, { 'renew', renew, WRITE },
	{ 'finish', finish, WRITE }, { 'fail', fail, WRITE }, { 'park', park, WRITE },
	{ 'release', release, WRITE }, { 'cancel', cancel, WRITE }, { 'kick', kick, WRITE },
	{ 'deny', deny, WRITE }, { 'forget', forget, WRITE }, { 'audit', audit, WRITE },
	{ 'job', job, READ }, { 'counts', counts, READ }, { 'schema', schema, READ },
	{ 'peer_beat', peer_beat, WRITE }, { 'peer_list', peer_list, READ },
}
for i = 1, #LIBRARY do
	local f = LIBRARY[i]
	redis.register_function({ function_name = 'muster_v1_' .. f[1], callback = f[2], flags = f[3] })
end
