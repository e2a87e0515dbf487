-- SPDX-License-Identifier: Apache-2.0
-- Which function is called what, and its flags.

-- allow-oom: what frees memory or guards a device must work when memory is full; admit must not.
local WRITE, READ = { 'allow-oom' }, { 'no-writes' }
local LIBRARY = {
	{ 'admit', admit, {} }, { 'claim', claim, WRITE }, { 'reap', reap, WRITE },
	{ 'begin', begin, WRITE }, { 'step', step, WRITE }, { 'renew', renew, WRITE },
	{ 'finish', finish, WRITE }, { 'fail', fail, WRITE }, { 'park', park, WRITE },
	{ 'release', release, WRITE }, { 'hook_claim', hook_claim, WRITE }, { 'hook_end', hook_end, WRITE },
	 { 'cancel', cancel, WRITE }, { 'kick', kick, WRITE },
	{ 'open', open_job, {} }, { 'pump', pump, {} }, { 'upkeep_policy', upkeep_policy, WRITE },
	{ 'window_look', window_look, WRITE }, { 'window_list', window_list, READ },
	{ 'wave_create', wave_create, {} }, { 'wave_add', wave_add, {} },
	{ 'wave_join', wave_join, {} }, { 'wave_move', wave_move, WRITE }, { 'wave_show', wave_show, READ },
	{ 'wave_remove', wave_remove, WRITE },
	{ 'wave_list', wave_list, READ },
	{ 'deny', deny, WRITE }, { 'forget', forget, WRITE }, { 'audit', audit, WRITE },
	{ 'expect', expect, {} },
	{ 'job', job, READ }, { 'counts', counts, READ }, { 'schema', schema, READ },
	{ 'psk_put', psk_put, {} }, { 'psk_get', psk_get, READ }, { 'psk_mark', psk_mark, WRITE },
	{ 'psk_delete', psk_delete, WRITE },
	{ 'peer_beat', peer_beat, WRITE }, { 'peer_list', peer_list, READ },
}
for i = 1, #LIBRARY do
	local f = LIBRARY[i]
	redis.register_function({ function_name = 'muster_v1_' .. f[1], callback = f[2], flags = f[3] })
end
