# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Tables are suspended, replaced and removed while I/O waits for copies.

# shellcheck source=tests/lib/stores.sh
. "$VM_REPO/tests/lib/stores.sh"

# An origin of 8 MiB, and the snapshot /dev/mapper/snap on a COW device that
# writes slowly.
# usage: make_slow_copies TYPE WRITE_MS
make_slow_copies() {
	make_origin 8
	dev cow 16
	slow_dev slow /dev/test/cow 0 "$2"
	snap_create snap /dev/test/origin /dev/mapper/slow "$1" 32
}

snap_line_again() { snap_table /dev/test/origin /dev/mapper/slow P 32; }

# usage: stomp SECONDS [SNAP]...
stomp() {
	local snap snaps=()
	for snap in "${@:2}"; do
		snaps+=(--snap "/dev/mapper/$snap")
	done
	stomper --origin /dev/mapper/origin "${snaps[@]}" --equal-at-start --seconds $(($1 * ${TEST_SLOWNESS:-1})) --threads 6 \
		--max-io 64k --align 512 --flush-every 100
}

# Run a command over and over as long as the load runs; the load must end well.
# usage: as_long_as PID COMMAND...
as_long_as() {
	local pid=$1 rounds=0
	shift
	while kill -0 "$pid" 2>/dev/null; do
		"$@"
		rounds=$((rounds + 1))
	done
	wait "$pid" || fail "the load failed"
	((rounds > 1)) || fail "the load was over at once"
}

end_snap() {
	dm_remove snap
	store_check /dev/test/cow 16384
}

# ---- suspend and resume ----------------------------------------------------

origin_stops_and_goes() {
	dm_suspend origin
	dm_resume origin
	dm_suspend origin --noflush
	dm_resume origin
}

# selection: 6.1 debug
test_origin_may_be_suspended_at_any_time() {
	make_slow_copies P 20
	stomp 4 snap:rw &
	as_long_as $! origin_stops_and_goes
	end_snap
}

snap_stops_and_goes() {
	dm_suspend snap
	dm_resume snap
	dm_suspend snap --noflush
	dm_resume snap
}

# selection: 6.1 debug
test_snapshot_may_be_suspended_at_any_time() {
	make_slow_copies P 20
	stomp 4 snap:rw &
	as_long_as $! snap_stops_and_goes
	end_snap
}

test_transient_snapshot_may_be_suspended_at_any_time() {
	make_slow_copies N 20
	stomp 3 snap:rw &
	as_long_as $! snap_stops_and_goes
}

# As LVM2 does it: first the snapshot, then the origin; back in the other order.
both_stop_and_go() {
	dm_suspend snap
	dm_suspend origin
	dm_resume origin
	dm_resume snap
}

test_origin_and_snapshot_may_be_suspended_together() {
	make_slow_copies P 20
	stomp 4 snap:rw &
	as_long_as $! both_stop_and_go
	end_snap
}

test_origin_writes_are_preserved_while_the_snapshot_is_suspended() {
	make_slow_copies P 0
	dm_suspend snap
	pattern write /dev/mapper/origin --start 1000 --sectors 5000 --stamp 2
	dm_resume snap
	pattern verify /dev/mapper/snap
	pattern verify /dev/mapper/origin --start 1000 --sectors 5000 --stamp 2
	end_snap
	check_ne "$(store_says /dev/test/cow entries)" 0
}

test_flushing_suspend_of_the_origin_waits_for_the_copies_of_its_writes() {
	local writer
	make_slow_copies P 0
	hold_writes slow /dev/test/cow
	pattern write /dev/mapper/origin --start 96 --sectors 32 --stamp 2 &
	writer=$!
	wait_for is_delaying slow
	let_go_during slow /dev/test/cow dm_suspend origin
	pattern verify /dev/test/origin --start 96 --sectors 32 --stamp 2
	! has_io slow || fail "a copy goes on though the origin is suspended"
	dm_resume origin
	wait $writer
	pattern verify /dev/mapper/snap
	end_snap
}

test_flushing_suspend_of_the_snapshot_waits_for_its_writes() {
	local writer
	make_slow_copies P 0
	hold_writes slow /dev/test/cow
	pattern write /dev/mapper/snap --start 100 --sectors 4 --stamp 3 &
	writer=$!
	wait_for is_delaying slow
	let_go_during slow /dev/test/cow dm_suspend snap
	! has_io slow || fail "a write goes on though the snapshot is suspended"
	dm_resume snap
	wait $writer
	pattern verify /dev/mapper/snap --start 100 --sectors 4 --stamp 3
	end_snap
}

both_are_suspended_without_flush() {
	dm_suspend origin --noflush
	dm_suspend snap --noflush
}

test_suspend_without_flush_does_not_lose_what_waits_for_copies() {
	local pid writers=()
	make_slow_copies P 0
	hold_writes slow /dev/test/cow
	pattern write /dev/mapper/origin --start 96 --sectors 32 --stamp 2 &
	writers+=($!)
	pattern write /dev/mapper/snap --start 1000 --sectors 4 --stamp 3 &
	writers+=($!)
	wait_for is_delaying slow
	let_go_during slow /dev/test/cow both_are_suspended_without_flush
	pattern write /dev/mapper/origin --start 200 --sectors 32 --stamp 4 &
	writers+=($!)
	dm_resume snap
	dm_resume origin
	for pid in "${writers[@]}"; do
		wait "$pid"
	done
	pattern verify /dev/mapper/origin --start 96 --sectors 32 --stamp 2
	pattern verify /dev/mapper/origin --start 200 --sectors 32 --stamp 4
	pattern verify /dev/mapper/snap --sectors 1000
	pattern verify /dev/mapper/snap --start 1000 --sectors 4 --stamp 3
	pattern verify /dev/mapper/snap --start 1004
	end_snap
}

# ---- reload ----------------------------------------------------------------

snap_is_reloaded() { dm_reload snap "$(snap_line_again)"; }

test_snapshot_may_be_reloaded_at_any_time() {
	make_slow_copies P 20
	stomp 4 snap:rw &
	as_long_as $! snap_is_reloaded
	end_snap
}

snap_is_reloaded_without_flush() {
	dm_load snap "$(snap_line_again)"
	dm_suspend snap --noflush
	dm_resume snap
}

# selection: 6.1 debug
test_snapshot_may_be_reloaded_without_flush_at_any_time() {
	make_slow_copies P 20
	stomp 4 snap:rw &
	as_long_as $! snap_is_reloaded_without_flush
	end_snap
}

test_transient_snapshot_keeps_its_exceptions_over_a_reload() {
	make_slow_copies N 0
	pattern write /dev/mapper/snap --start 1000 --sectors 100 --stamp 3
	pattern write /dev/mapper/origin --start 2000 --sectors 100 --stamp 2
	dm_reload snap "$(snap_table /dev/test/origin /dev/mapper/slow N 32)"
	pattern write /dev/mapper/origin --start 3000 --sectors 100 --stamp 2
	pattern verify /dev/mapper/snap --sectors 1000
	pattern verify /dev/mapper/snap --start 1000 --sectors 100 --stamp 3
	pattern verify /dev/mapper/snap --start 1100
}

origin_is_reloaded() {
	dm_reload origin "0 16384 snapshot-origin /dev/test/origin"
}

test_origin_may_be_reloaded_at_any_time() {
	make_slow_copies P 20
	stomp 4 snap:rw &
	as_long_as $! origin_is_reloaded
	end_snap
}

both_are_reloaded() {
	dm_load origin "0 16384 snapshot-origin /dev/test/origin"
	dm_load snap "$(snap_line_again)"
	dm_suspend origin
	dm_suspend snap
	dm_resume snap
	dm_resume origin
}

# selection: 6.1 debug
test_origin_and_snapshot_may_be_reloaded_together() {
	make_slow_copies P 20
	stomp 4 snap:rw &
	as_long_as $! both_are_reloaded
	end_snap
}

test_copies_under_way_survive_a_reload_of_the_snapshot() {
	local pid writers=()
	make_slow_copies P 0
	hold_writes slow /dev/test/cow
	pattern write /dev/mapper/origin --start 96 --sectors 100 --stamp 2 &
	writers+=($!)
	pattern write /dev/mapper/snap --start 1000 --sectors 4 --stamp 3 &
	writers+=($!)
	wait_for is_delaying slow
	let_go_during slow /dev/test/cow dm_reload snap "$(snap_line_again)"
	for pid in "${writers[@]}"; do
		wait "$pid"
	done
	pattern verify /dev/mapper/origin --start 96 --sectors 100 --stamp 2
	pattern verify /dev/mapper/snap --sectors 1000
	pattern verify /dev/mapper/snap --start 1000 --sectors 4 --stamp 3
	end_snap
}

# ---- removal ---------------------------------------------------------------

snap_comes_and_goes() {
	cow_clear /dev/test/cow
	snap_create snap /dev/test/origin /dev/mapper/slow P 32
	dm_remove snap
	store_check /dev/test/cow 16384
}

# selection: 6.1 debug
test_snapshots_may_come_and_go_while_their_origin_is_written() {
	make_slow_copies P 20
	dm_remove snap
	make_snap other N 64 16
	stomp 4 other &
	as_long_as $! snap_comes_and_goes
}

# selection: 6.1 debug
test_snapshot_may_be_removed_while_its_copies_are_under_way() {
	local writer
	make_slow_copies P 0
	hold_writes slow /dev/test/cow
	make_snap other P 32 16
	pattern write /dev/mapper/origin --start 96 --sectors 3000 --stamp 2 &
	writer=$!
	wait_for is_delaying slow
	let_go_during slow /dev/test/cow dm_remove snap
	wait $writer
	pattern verify /dev/mapper/origin --start 96 --sectors 3000 --stamp 2
	pattern verify /dev/mapper/other
	store_check /dev/test/cow 16384
}

test_transient_snapshot_may_be_removed_while_its_copies_are_under_way() {
	local writer
	make_slow_copies N 0
	hold_writes slow /dev/test/cow
	pattern write /dev/mapper/origin --start 96 --sectors 3000 --stamp 2 &
	writer=$!
	wait_for is_delaying slow
	let_go_during slow /dev/test/cow dm_remove snap
	wait $writer
	pattern verify /dev/mapper/origin --start 96 --sectors 3000 --stamp 2
}

# selection: 6.1 debug
test_origin_may_vanish_under_writes_that_wait_for_copies() {
	local writer
	make_slow_copies P 300
	fio --name=load --filename=/dev/mapper/origin --direct=1 --ioengine=libaio --iodepth=32 --thread \
		--rw=randwrite --bs=16k --size=8m --minimal --output="$TEST_DIR/fio" &
	writer=$!
	wait_for is_delaying slow
	# Its table becomes one that fails all I/O.
	dmsetup wipe_table origin
	! wait $writer || fail "the writes did not notice"
	dm_remove origin
	pattern verify /dev/mapper/snap
	end_snap
	rmmod dm_snapshot
	modprobe dm-snapshot
}

test_origin_may_be_removed_before_its_snapshots() {
	make_slow_copies P 0
	pattern write /dev/mapper/origin --start 1000 --sectors 2000 --stamp 2
	dm_remove origin
	pattern verify /dev/mapper/snap
	pattern write /dev/mapper/snap --start 4000 --sectors 10 --stamp 3
	snap_origin origin /dev/test/origin
	pattern write /dev/mapper/origin --start 5000 --sectors 2000 --stamp 4
	pattern verify /dev/mapper/snap --sectors 4000
	pattern verify /dev/mapper/snap --start 4000 --sectors 10 --stamp 3
	pattern verify /dev/mapper/snap --start 4010
	end_snap
}

test_snapshot_may_vanish_under_its_own_writes() {
	local writer
	make_slow_copies P 300
	fio --name=load --filename=/dev/mapper/snap --direct=1 --ioengine=libaio --iodepth=32 --thread \
		--rw=randwrite --bs=4k --size=8m --minimal --output="$TEST_DIR/fio" &
	writer=$!
	wait_for is_delaying slow
	dmsetup wipe_table snap
	! wait $writer || fail "the writes did not notice"
	pattern write /dev/mapper/origin --start 1000 --sectors 2000 --stamp 2
	end_snap
}

# ---- unloading -------------------------------------------------------------

# selection: 6.1 debug
test_module_can_be_unloaded_right_after_load() {
	local round
	make_slow_copies P 10
	for round in 1 2 3; do
		stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw --ops 150 --seed $round --max-io 64k --align 512
		dmsetup remove snap
		dmsetup remove origin
		rmmod dm_snapshot
		modprobe dm-snapshot
		snap_origin origin /dev/test/origin
		snap_create snap /dev/test/origin /dev/mapper/slow P 32
	done
	end_snap
}

test_module_in_use_is_not_unloaded() {
	make_slow_copies P 0
	check_fails rmmod dm_snapshot
	dm_remove origin
	check_fails rmmod dm_snapshot
	dm_remove snap
	rmmod dm_snapshot
	modprobe dm-snapshot
}
