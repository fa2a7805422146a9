# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# timeout: 240
#
# Writes that find no room wait: until the COW device has grown, time is up, or
# somebody wants to suspend, reload or remove what they wait on.

# shellcheck source=tests/lib/space.sh
. "$VM_REPO/tests/lib/space.sh"

# ---- the table -------------------------------------------------------------

# selection: debug
test_bad_space_features_are_refused_with_a_reason() {
	local line="0 8192 snapshot /dev/test/o /dev/test/c P 8"
	dev o 4
	dev c 4
	refusals_begin
	refused "low_water_mark needs a number of sectors" "$line 1 low_water_mark"
	refused "low_water_mark needs a number of sectors" "$line 2 low_water_mark x"
	refused "low_water_mark needs a number of sectors" "$line 2 low_water_mark -1"
	refused "low_water_mark needs a number of sectors" "$line 2 low_water_mark queue_if_no_space"
	refused "low_water_mark needs a number of sectors" "$line 2 low_water_mark 18446744073709551616"
	refused "no_space_timeout needs a number of seconds" "$line 1 no_space_timeout"
	refused "no_space_timeout needs a number of seconds" "$line 2 no_space_timeout 1s"
	refused "no_space_timeout needs a number of seconds" "$line 2 queue_if_no_space no_space_timeout"
	refused "no_space_timeout is too long" "$line 2 no_space_timeout 2147483648"
	refused "nknown feature" "$line 1 queue_if_no_spac"
	refused "nknown feature" "$line 2 merge_rate 5"
	refused "nknown feature" "$line 1 merge_paused"
	refused "nknown feature" "$line 2 queue_if_no_space 5"
	refused "Too many arguments" "$line 1 queue_if_no_space 5"
	refused "Too many arguments" "$line 1 queue_if_no_space low_water_mark"
	refused "number of feature arguments" "$line 8 queue_if_no_space"
	refused "number of feature arguments" "$line 2 queue_if_no_space"
	refusals_end
}

# usage: prints GIVEN PRINTED
prints() {
	local devices
	devices="$(major_minor /dev/test/o) $(major_minor /dev/test/c)"
	dm_create s "0 8192 snapshot /dev/test/o /dev/test/c P 8 $1"
	check_eq "$(dm_table s)" "0 8192 snapshot $devices P 8${2:+ $2}"
	dm_reload s "$(dm_table s)"
	check_eq "$(dm_table s)" "0 8192 snapshot $devices P 8${2:+ $2}" "loaded again"
	dm_remove s
}

test_space_features_are_printed_when_they_were_given() {
	dev o 4
	dev c 4
	prints "" ""
	prints "0" ""
	prints "1 queue_if_no_space" "1 queue_if_no_space"
	prints "1 QUEUE_if_no_SPACE" "1 queue_if_no_space"
	prints "2 low_water_mark 100" "2 low_water_mark 100"
	prints "2 low_water_mark 0" ""
	prints "2 no_space_timeout 0" "2 no_space_timeout 0"
	prints "2 no_space_timeout 60" "2 no_space_timeout 60"
	prints "7 no_space_timeout 5 low_water_mark 8 queue_if_no_space discard_passdown_origin discard_zeroes_cow" \
		"7 discard_zeroes_cow discard_passdown_origin queue_if_no_space low_water_mark 8 no_space_timeout 5"
}

# ---- waiting, and going on -------------------------------------------------

waits_and_goes_on() {
	local nr
	small_snapshot "$1" queue_if_no_space
	nr=$(dm_events s)
	fill_cow
	check_eq "$(dm_events s)" "$nr" "events while there was room"
	"$2" 4096
	dm_await s "$nr"
	check_match "$(dm_status s)" "^128/128 " "nothing is lost"
	# What needs no room is not held up.
	pattern verify /dev/mapper/s --sectors 4096
	pattern write /dev/mapper/orig --start 2048 --sectors 8 --stamp 2
	stat_is s waiting 1 || fail "it does not wait any more"
	nr=$(dm_events s)
	grow_cow 1024
	goes_on "$writer"
	dm_await s "$nr"
	check_eq "$(stat_of s waits_for_space)" 0
	check_eq "$(stat_of s space_waits)" 1
	check_ne "$(stat_of s space_wait_ns)" 0
}

test_origin_write_waits_for_space_and_goes_on() {
	local type
	for type in P PO N; do
		waits_and_goes_on $type origin_write_waits
		snapshot_is_exact
		origin_has_it
		dm_remove s
		[[ $type == N ]] || store_check /dev/mapper/cow 8192
		dm_remove orig cow
		dev_remove o
		dev_remove c
	done
}

test_snapshot_write_waits_for_space_and_goes_on() {
	local type
	for type in P PO N; do
		waits_and_goes_on $type snapshot_write_waits
		snapshot_is_exact written
		pattern verify /dev/test/o --start 4096
		dm_remove s
		[[ $type == N ]] || store_check /dev/mapper/cow 8192
		dm_remove orig cow
		dev_remove o
		dev_remove c
	done
}

# A write of many chunks that fits only in part, and half chunks.
test_large_writes_wait_for_the_room_that_they_need() {
	local writers=() pid
	small_snapshot P queue_if_no_space
	pattern write /dev/mapper/orig --start 3 --sectors 2000 --stamp 3 &
	writers+=($!)
	pattern write /dev/mapper/s --start 5001 --sectors 1001 --stamp 4 &
	writers+=($!)
	wait_for stat_is s waits_for_space 1
	grow_cow 1024
	wait_for stat_is s waits_for_space 1
	grow_cow 8192
	for pid in "${writers[@]}"; do
		goes_on "$pid"
	done
	pattern verify /dev/test/o --start 3 --sectors 2000 --stamp 3
	pattern verify /dev/mapper/s --sectors 5001
	pattern verify /dev/mapper/s --start 5001 --sectors 1001 --stamp 4
	pattern verify /dev/mapper/s --start 6002
	end_s
}

# Ten rounds of a load that fills the COW device again and again; the load knows
# what every sector must be.
# selection: 6.1 debug
# A load of so many writes, whose COW device is grown by a little whenever it is full: nothing
# may be lost. Sets rounds, how often it was full.
# usage: load_with_growing_cow OPS [COMMAND-TO-DISTURB-IT]
load_with_growing_cow() {
	local pid size=256
	rounds=0
	dev o 16
	dev c 64
	pattern write /dev/test/o
	dm_linear cow /dev/test/c 0 $size
	snap_origin orig /dev/test/o
	snap_create s /dev/test/o /dev/mapper/cow P 8 queue_if_no_space no_space_timeout 0
	stomper --origin /dev/mapper/orig --snap /dev/mapper/s:rw --equal-at-start --ops "$1" --threads 6 \
		--max-io 64k --align 512 --flush-every 100 &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		"${2:-true}"
		if stat_is s waits_for_space 1; then
			size=$((size + 3072))
			grow_cow $size
			rounds=$((rounds + 1))
		fi
	done
	wait $pid || fail "the load saw something wrong"
	check_match "$(dm_status s)" "^[0-9]+/$size "
	dm_remove s
	store_check /dev/mapper/cow 32768
}

test_load_outlives_ten_full_cow_devices_without_losing_anything() {
	load_with_growing_cow 6000
	((rounds >= 10)) || fail "the COW device was full only $rounds times"
}

# ---- the end of waiting ----------------------------------------------------

test_origin_write_that_waits_too_long_costs_the_snapshot() {
	local type
	for type in P PO N; do
		small_snapshot $type queue_if_no_space no_space_timeout 1
		fill_cow
		origin_write_waits 4096
		goes_on "$writer"
		snapshot_is_lost s
		origin_has_it
		dm_remove s orig cow
		dev_remove o
		dev_remove c
	done
}

test_snapshot_write_that_waits_too_long_overflows_or_costs_the_snapshot() {
	local type expected
	for type in P:Invalid PO:Overflow N:Invalid; do
		expected=${type#*:}
		small_snapshot ${type%:*} queue_if_no_space no_space_timeout 1
		fill_cow
		snapshot_write_waits 4096
		! wait "$writer" || fail "a write without room succeeded"
		check_eq "$(dm_status s)" "$expected" "$type"
		if [[ $expected == Overflow ]]; then
			snapshot_is_exact
			# The origin still waits for it.
			origin_write_waits 6000
			grow_cow 1024
			goes_on "$writer"
			check_eq "$(dm_status s)" Overflow
			snapshot_is_exact
		fi
		dm_remove s orig cow
		dev_remove o
		dev_remove c
	done
}

# The one without an end still waits when the other's time is over.
test_timeout_of_zero_is_none() {
	small_snapshot P queue_if_no_space no_space_timeout 0
	dev c2 4
	dm_linear cow2 /dev/test/c2 0 $small_cow
	snap_create other /dev/test/o /dev/mapper/cow2 P 8 queue_if_no_space no_space_timeout 2
	fill_cow
	snapshot_write_waits 4096
	pattern write /dev/mapper/other --start 4096 --sectors 8 --stamp 5 &
	write_to_other=$!
	wait_for status_is other Invalid
	! wait $write_to_other || fail "a write without room succeeded"
	check_eq "$(stat_of s waits_for_space)" 1
	grow_cow 1024
	goes_on "$writer"
	snapshot_is_exact written
	end_s
}

half_of_it_is_over() { ((EPOCHSECONDS >= began + 5)); }
# Each has its own clock: a write to the origin that came later is not given up with one
# to the snapshot, and does not make its end cost more.
test_waiting_of_the_origin_outlasts_that_of_the_snapshot() {
	local own began
	small_snapshot PO queue_if_no_space no_space_timeout 10
	fill_cow
	snapshot_write_waits 4096
	own=$writer
	began=$EPOCHSECONDS
	wait_for half_of_it_is_over
	origin_write_waits 6000
	! wait "$own" || fail "a write without room succeeded"
	check_eq "$(dm_status s)" Overflow
	check_eq "$(stat_of s waiting)" 1
	grow_cow 1024
	goes_on "$writer"
	snapshot_is_exact
	origin_has_it 6000
	end_s
}

test_message_no_space_fail_ends_the_waiting() {
	small_snapshot P queue_if_no_space no_space_timeout 0
	fill_cow
	origin_write_waits 4096
	dm_message s no_space fail
	goes_on "$writer"
	check_eq "$(dm_status s)" Invalid
	origin_has_it
}

test_message_no_space_queue_lets_writes_wait() {
	small_snapshot P
	dm_message s no_space queue
	check_match "$(dm_table s)" " P 8 1 queue_if_no_space$"
	fill_cow
	origin_write_waits 4096
	grow_cow 1024
	goes_on "$writer"
	snapshot_is_exact
	dm_message s no_space fail
	check_match "$(dm_table s)" " P 8$"
	end_s
}

# ---- suspend, reload and remove while writes wait --------------------------

# selection: 6.1 debug
test_origin_is_suspended_without_flush_while_its_write_waits() {
	small_snapshot P queue_if_no_space
	fill_cow
	origin_write_waits 4096
	dm_suspend orig --noflush
	wait_for stat_is s waiting 0
	dm_resume orig
	wait_for stat_is s waiting 1
	dm_suspend orig --noflush
	grow_cow 1024
	dm_resume orig
	goes_on "$writer"
	snapshot_is_exact
	origin_has_it
	end_s
}

test_flushing_suspend_of_the_origin_ends_the_waiting() {
	small_snapshot P queue_if_no_space no_space_timeout 0
	fill_cow
	origin_write_waits 4096
	dm_suspend orig
	goes_on "$writer"
	dm_resume orig
	check_eq "$(dm_status s)" Invalid
	origin_has_it
}

test_origin_is_reloaded_without_flush_while_its_write_waits() {
	small_snapshot P queue_if_no_space
	fill_cow
	origin_write_waits 4096
	dm_load orig "0 8192 snapshot-origin /dev/test/o"
	dm_suspend orig --noflush
	dm_resume orig
	wait_for stat_is s waiting 1
	grow_cow 1024
	goes_on "$writer"
	snapshot_is_exact
	origin_has_it
	end_s
}

test_origin_may_vanish_while_its_write_waits() {
	small_snapshot P queue_if_no_space no_space_timeout 0
	fill_cow
	origin_write_waits 4096
	dmsetup wipe_table orig
	goes_on "$writer"
	dm_remove orig
	origin_has_it
}

test_snapshot_is_suspended_and_reloaded_without_flush_while_its_write_waits() {
	small_snapshot P queue_if_no_space
	fill_cow
	snapshot_write_waits 4096
	dm_suspend s --noflush
	dm_resume s
	wait_for stat_is s waiting 1
	dm_load s "$snap_line_s"
	dm_suspend s --noflush
	dm_resume s
	wait_for stat_is s waiting 1
	grow_cow 1024
	goes_on "$writer"
	snapshot_is_exact written
	end_s
}

# The write fails, the snapshot is as it was.
test_flushing_suspend_of_the_snapshot_fails_its_write_and_nothing_else() {
	small_snapshot P queue_if_no_space no_space_timeout 0
	fill_cow
	snapshot_write_waits 4096
	dm_suspend s
	! wait "$writer" || fail "a write without room succeeded"
	dm_resume s
	check_match "$(dm_status s)" "^128/128 "
	snapshot_is_exact
	grow_cow 1024
	pattern write /dev/mapper/s --start 4096 --sectors 8 --stamp 4
	snapshot_is_exact written
	end_s
}

test_snapshot_is_suspended_and_reloaded_while_the_origin_waits_for_it() {
	local type
	for type in P N; do
		small_snapshot $type queue_if_no_space
		fill_cow
		origin_write_waits 4096
		dm_suspend s
		dm_resume s
		check_eq "$(stat_of s waiting)" 1
		dm_reload s "$snap_line_s"
		wait_for stat_is s waiting 1
		dm_suspend s
		grow_cow 1024
		goes_on "$writer"
		dm_resume s
		snapshot_is_exact
		origin_has_it
		dm_remove s orig cow
		dev_remove o
		dev_remove c
	done
}

test_snapshot_is_reloaded_without_the_feature_while_the_origin_waits_for_it() {
	small_snapshot P queue_if_no_space no_space_timeout 0
	fill_cow
	origin_write_waits 4096
	dm_reload s "$(snap_table /dev/test/o /dev/mapper/cow P 8)"
	goes_on "$writer"
	wait_for status_is s Invalid
	origin_has_it
}

test_snapshot_is_removed_while_the_origin_waits_for_it() {
	small_snapshot P queue_if_no_space no_space_timeout 0
	fill_cow
	origin_write_waits 4096
	end_s
	goes_on "$writer"
	origin_has_it
}

# selection: 6.1 debug
test_snapshot_may_vanish_while_its_write_waits() {
	small_snapshot P queue_if_no_space no_space_timeout 0
	fill_cow
	snapshot_write_waits 4096
	dmsetup wipe_table s
	! wait "$writer" || fail "the write did not notice"
	end_s
	pattern write /dev/mapper/orig --start 5000 --sectors 100 --stamp 2
}

test_cow_device_is_suspended_while_writes_wait() {
	local pid
	small_snapshot P queue_if_no_space
	fill_cow
	origin_write_waits 4096
	pid=$writer
	snapshot_write_waits 4096
	dm_suspend cow
	dm_resume cow
	dm_suspend cow --noflush
	dm_resume cow
	# Larger, but not by a chunk.
	grow_cow $((small_cow + 4))
	check_eq "$(stat_of s waiting)" 2
	dm_suspend cow
	dm_load cow "0 1024 linear /dev/test/c 0"
	dm_resume cow
	goes_on "$pid"
	goes_on "$writer"
	snapshot_is_exact written
	origin_has_it
	end_s
}

test_cow_device_that_vanishes_while_a_write_waits_costs_the_snapshot() {
	small_snapshot P queue_if_no_space no_space_timeout 1
	fill_cow
	origin_write_waits 4096
	allow_kmsg "Buffer I/O error"
	dmsetup wipe_table cow
	goes_on "$writer"
	wait_for status_is s Invalid
	origin_has_it
}

# The origin stands still for a new snapshot: what waits is part of neither.
test_new_snapshot_is_made_while_the_origin_waits_for_another() {
	small_snapshot P queue_if_no_space
	fill_cow
	origin_write_waits 4096
	dev c2 4
	dd if=/dev/test/o of="$TEST_DIR/before" bs=1M iflag=direct status=none
	snap_create other /dev/test/o /dev/test/c2 N 16
	wait_for stat_is s waiting 1
	cmp "$TEST_DIR/before" /dev/mapper/other
	grow_cow 1024
	goes_on "$writer"
	snapshot_is_exact
	cmp "$TEST_DIR/before" /dev/mapper/other
	origin_has_it
	end_s
}

# Everything at once, as long as a load runs on a COW device that is full most of
# the time.
everything_stops_and_goes() {
	dm_suspend orig --noflush
	dm_resume orig
	dm_suspend s --noflush
	dm_resume s
	dm_load s "$(dm_table s)"
	dm_suspend s --noflush
	dm_resume s
	dm_suspend cow
	dm_resume cow
}

# selection: 6.1 debug
test_devices_are_suspended_and_reloaded_at_any_moment_while_writes_wait() {
	load_with_growing_cow 1500 everything_stops_and_goes
	((rounds > 2)) || fail "the COW device was full only $rounds times"
}

# ---- merging ---------------------------------------------------------------

# The snapshot s is full, and other, of the same origin, is merged: its copies need room
# in s.
merge_waits_for_s() {
	small_snapshot P queue_if_no_space no_space_timeout "${1:-0}"
	dev c2 4
	snap_create other /dev/test/o /dev/test/c2 P 8
	fill_cow
	pattern write /dev/mapper/other --start 6000 --sectors 400 --stamp 5
	dm_remove other
	dm_reload orig "$(snap_merge_table /dev/test/o /dev/test/c2 P 8)"
	wait_for stat_is s waits_for_space 1
}

merge_has_come_through() {
	wait_for merge_is_done orig
	pattern verify /dev/test/o --start 6000 --sectors 400 --stamp 5
}

# selection: 6.1 debug
test_merge_waits_for_the_space_of_another_snapshot() {
	merge_waits_for_s
	check_match "$(dm_status s)" "^128/128 "
	dm_suspend orig
	dm_resume orig
	dm_suspend orig --noflush
	dm_resume orig
	grow_cow 4096
	merge_has_come_through
	snapshot_is_exact
	end_s
}

test_merge_that_waits_too_long_costs_the_other_snapshot() {
	merge_waits_for_s 1
	merge_has_come_through
	snapshot_is_lost s
}

test_snapshot_is_made_while_a_merge_waits_for_space() {
	merge_waits_for_s
	write_waits /dev/mapper/orig 7000 3
	dev c3 4
	snap_create third /dev/test/o /dev/test/c3 P 8
	wait_for stat_is s waits_for_space 1
	grow_cow 4096
	goes_on "$writer"
	merge_has_come_through
	origin_has_it 7000
	snapshot_is_exact
	end_s
}
