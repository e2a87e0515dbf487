#!lua name=muster_v1
-- SPDX-License-Identifier: Apache-2.0
-- The transitions of jobs and devices. One function per arrow of the picture in store.h; the C face
-- there is the reference for meanings, this library for the guards. Redis takes it as one text:
-- CMakeLists.txt joins the parts, and what this one names is known to all of them.
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
	pw_tries = 1, rehello = 1, unconf = 1, dek = 1, tags = 1, wave = 1,
	cert_end = 1, inv = 1, diff = 1, marks = 1, renew_before = 1, addr = 1, src = 1, told = 1,
	host_dn = 1, host_groups = 1 }

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
