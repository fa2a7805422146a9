# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The merging device shows the snapshot from the first moment to the last, and
# in the end the origin holds it.

# shellcheck source=tests/lib/stores.sh
. "$VM_REPO/tests/lib/stores.sh"

# An origin of 16 MiB and a snapshot of it that both were written; the snapshot
# is gone by now, $TEST_DIR/state knows what it held, under the name merge. Its
# store is on /dev/mapper/cow. Small chunks make small areas, so that a merge
# takes many steps.
# usage: make_half_written [CHUNK_SECTORS [STOMPER-OPTION]...]
make_half_written() {
	make_origin 16
	dev cow-disk 24 cache_size=4
	slow_dev cow /dev/test/cow-disk 0 0
	snap_create snap /dev/test/origin /dev/mapper/cow P "${1:-8}"
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw,as=merge --equal-at-start \
		--ops 4000 --max-io 128k --align 512 --dump-state "$TEST_DIR/state" "${@:2}"
	dm_remove snap
}

# Every commit of the merge takes as long, other I/O does not.
# usage: slow_commits MILLISECONDS
slow_commits() { slow_set cow /dev/test/cow-disk 0 0 "$1"; }

# usage: start_slow_merge [CHUNK_SECTORS]
start_slow_merge() {
	slow_commits 300
	merge_into_origin /dev/mapper/cow "${1:-8}"
	! merge_is_done origin || fail "the merge is over before the test has begun"
}

# Let it end, and look at the origin's own disk.
# usage: end_merge STATE
end_merge() {
	slow_commits 0
	wait_for merge_is_done origin
	dm_reload origin "0 $(sectors /dev/test/origin) snapshot-origin /dev/test/origin"
	stomper --expect-merge /dev/test/origin --verify-only --load-state "$1"
	check_eq "$(store_says /dev/test/cow-disk entries)" 0
	store_check /dev/test/cow-disk 32768
}

# usage: stomp_merging [OPTION]..., leaves $TEST_DIR/after
stomp_merging() {
	stomper --expect-merge /dev/mapper/origin --load-state "$TEST_DIR/state" --dump-state "$TEST_DIR/after" \
		--max-io 128k --align 512 --chunk 4096 --seed 2 "$@"
}

# selection: 6.1 debug
test_merging_device_shows_the_snapshot_under_load_until_the_merge_is_done() {
	local before
	make_half_written
	before=$(dm_create snap "$(snap_table /dev/test/origin /dev/mapper/cow P 8)"; allocated snap; dm_remove snap)
	start_slow_merge
	stomp_merging --seconds 3 --threads 6 --flush-every 200
	(($(allocated origin) < before)) || fail "nothing was merged under load"
	end_merge "$TEST_DIR/after"
}

test_fast_merge_is_exact_under_load() {
	make_half_written 32
	merge_into_origin /dev/mapper/cow 32
	stomp_merging --seconds 3 --threads 6
	end_merge "$TEST_DIR/after"
}

test_merge_of_large_chunks_is_exact_under_load() {
	make_half_written 512
	merge_into_origin /dev/mapper/cow 512
	stomp_merging --seconds 2 --threads 6
	end_merge "$TEST_DIR/after"
}

test_origin_holds_the_snapshot_when_the_merge_is_done() {
	local expected nr
	make_half_written 32
	snap_create snap /dev/test/origin /dev/mapper/cow P 32
	expected=$(contents /dev/mapper/snap)
	check_ne "$(contents /dev/test/origin)" "$expected" "there is nothing to merge"
	dm_remove snap
	slow_commits 100
	nr=$(nr_events origin)
	merge_into_origin /dev/mapper/cow 32
	check_eq "$(contents /dev/mapper/origin)" "$expected"
	# Done is an event.
	timeout 60 dmsetup wait origin "$nr"
	wait_for merge_is_done origin
	check_eq "$(contents /dev/test/origin)" "$expected"
	end_merge "$TEST_DIR/state"
}

test_merge_goes_on_after_suspend_and_resume() {
	local pid rounds=0
	make_half_written
	start_slow_merge
	stomp_merging --seconds 5 &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		dm_suspend origin
		dm_resume origin
		dm_suspend origin --noflush
		dm_resume origin
		dm_suspend origin --nolockfs
		dm_resume origin
		rounds=$((rounds + 1))
	done
	wait $pid
	check_ne $rounds 0
	end_merge "$TEST_DIR/after"
}

test_suspended_merge_stands_still() {
	local stood
	make_half_written
	start_slow_merge
	dm_suspend origin
	stood=$(store_says /dev/test/cow-disk entries)
	check_ne "$stood" 0
	slow_commits 0
	# A merge that went on would be over by then.
	contents /dev/test/origin >/dev/null
	contents /dev/test/origin >/dev/null
	check_eq "$(store_says /dev/test/cow-disk entries)" "$stood"
	dm_resume origin
	end_merge "$TEST_DIR/state"
}

test_merge_goes_on_after_a_reload_of_its_table() {
	local pid rounds=0
	make_half_written
	start_slow_merge
	stomp_merging --seconds 5 &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		dm_reload origin "$(snap_merge_table /dev/test/origin /dev/mapper/cow P 8)"
		rounds=$((rounds + 1))
	done
	wait $pid
	check_ne $rounds 0
	end_merge "$TEST_DIR/after"
}

test_merge_goes_on_after_its_device_was_removed_and_made_again() {
	local all half
	make_half_written
	all=$(store_says /dev/test/cow-disk entries)
	start_slow_merge
	stomp_merging --seconds 2
	dm_remove origin
	store_check /dev/test/cow-disk 32768
	half=$(store_says /dev/test/cow-disk entries)
	((half > 0 && half < all)) || fail "not half merged: $half of $all entries are left"
	# Seen as a snapshot, half merged it shows the same.
	snap_create snap /dev/test/origin /dev/mapper/cow P 8
	stomper --expect-merge /dev/mapper/snap --verify-only --load-state "$TEST_DIR/after"
	dm_remove snap

	dm_create origin "$(snap_merge_table /dev/test/origin /dev/mapper/cow P 8)"
	mv "$TEST_DIR/after" "$TEST_DIR/state"
	stomp_merging --seconds 1 --seed 3
	end_merge "$TEST_DIR/after"
}

# By handover: the merging table, suspended, is the source.
merge_becomes_a_snapshot() {
	dm_load origin "0 32768 snapshot-origin /dev/test/origin"
	dm_create snap "0 32768 error"
	dm_load snap "$(snap_table /dev/test/origin /dev/mapper/cow P 8)"
	dm_suspend snap
	dm_resume snap
	dm_resume origin
}

test_half_merged_store_can_go_back_to_being_a_snapshot() {
	make_half_written
	start_slow_merge
	stomp_merging --seconds 1
	dm_suspend origin
	! merge_is_done origin || fail "not half merged"
	slow_commits 0
	merge_becomes_a_snapshot
	stomper --expect-merge /dev/mapper/snap --verify-only --load-state "$TEST_DIR/after"
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw,as=merge --seconds 2 --max-io 64k --align 512
	dm_remove snap
	store_check /dev/test/cow-disk 32768
}

test_space_that_a_merge_freed_is_used_again() {
	make_half_written
	merge_into_origin /dev/mapper/cow 8
	wait_for merge_is_done origin
	dm_suspend origin
	merge_becomes_a_snapshot
	# All chunks of the origin; the store has room for half as many again.
	pattern write /dev/mapper/snap --stamp 3
	pattern verify /dev/mapper/snap --stamp 3
	stomper --expect-merge /dev/mapper/origin --verify-only --load-state "$TEST_DIR/state"
	check_eq "$(dm_status snap)" "$(expected_status 4096 8 /dev/mapper/cow)"
	dm_remove snap
	check_eq "$(store_says /dev/test/cow-disk entries)" 4096
	store_check /dev/test/cow-disk 32768
}

# selection: 6.1 debug
test_other_snapshots_of_the_origin_stay_exact_while_one_is_merged() {
	make_origin 16
	make_snap second PO 8 24
	make_snap third N 256 24
	dev cow-disk 24 cache_size=4
	slow_dev cow /dev/test/cow-disk 0 0
	snap_create snap /dev/test/origin /dev/mapper/cow P 16
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw --snap /dev/mapper/second:rw \
		--snap /dev/mapper/third:rw --equal-at-start --ops 2000 --max-io 64k --align 512 \
		--dump-state "$TEST_DIR/state"
	dm_remove snap
	start_slow_merge 16
	stomper --origin /dev/mapper/origin:as=snap0 --snap /dev/mapper/second:rw,as=snap1 \
		--snap /dev/mapper/third:rw,as=snap2 --load-state "$TEST_DIR/state" --dump-state "$TEST_DIR/after" \
		--seconds 3 --threads 6 --max-io 64k --align 512 --seed 2
	slow_commits 0
	stomper --origin /dev/mapper/origin:as=snap0 --snap /dev/mapper/second:rw,as=snap1 \
		--snap /dev/mapper/third:rw,as=snap2 --load-state "$TEST_DIR/after" --dump-state "$TEST_DIR/last" \
		--seconds 1 --threads 6 --max-io 64k --align 512 --seed 3
	wait_for merge_is_done origin
	stomper --origin /dev/test/origin:as=snap0 --snap /dev/mapper/second:as=snap1 \
		--snap /dev/mapper/third:as=snap2 --verify-only --load-state "$TEST_DIR/last"
	dm_remove second origin
	store_check /dev/test/second-cow 32768
	store_check /dev/test/cow-disk 32768
}

test_empty_store_is_merged_at_once() {
	make_origin 8
	make_snap snap P 32 16
	dm_remove snap
	merge_into_origin /dev/test/snap-cow
	wait_for merge_is_done origin
	pattern write /dev/mapper/origin --start 100 --sectors 200 --stamp 2
	pattern verify /dev/test/origin --start 100 --sectors 200 --stamp 2
	check_eq "$(store_says /dev/test/snap-cow entries)" 0
}

test_scattered_exceptions_are_merged() {
	make_origin 32
	pattern write /dev/mapper/origin --stamp 9
	dev cow-disk 48
	slow_dev cow /dev/test/cow-disk 0 0
	# Every chunk, in an order that no neighbours have.
	cowstore fill /dev/test/cow-disk --chunk 16 --exceptions 4096 --origin-sectors 65536 --scattered 7 --data
	merge_into_origin /dev/mapper/cow 16
	pattern verify /dev/mapper/origin
	wait_for merge_is_done origin
	pattern verify /dev/test/origin
	check_eq "$(store_says /dev/test/cow-disk entries)" 0
}

test_scattered_exceptions_of_every_second_chunk_are_merged() {
	local expected
	make_origin 32
	pattern write /dev/mapper/origin --stamp 9
	dev cow-disk 48
	cowstore fill /dev/test/cow-disk --chunk 16 --exceptions 2000 --origin-sectors 65536 --scattered 8 --data
	snap_create snap /dev/test/origin /dev/test/cow-disk P 16
	expected=$(contents /dev/mapper/snap)
	dm_remove snap
	merge_into_origin /dev/test/cow-disk 16
	check_eq "$(contents /dev/mapper/origin)" "$expected"
	wait_for merge_is_done origin
	check_eq "$(contents /dev/test/origin)" "$expected"
}

test_partial_last_chunk_is_merged() {
	dev base 16
	dm_linear odd /dev/test/base 0 $((16384 + 13))
	pattern write /dev/mapper/odd
	dev cow 24
	snap_create snap /dev/mapper/odd /dev/test/cow P 128
	pattern write /dev/mapper/snap --start 16380 --sectors 17 --stamp 3
	dm_remove snap
	dm_create origin "$(snap_merge_table /dev/mapper/odd /dev/test/cow P 128)"
	wait_for merge_is_done origin
	pattern verify /dev/mapper/odd --start 16380 --sectors 17 --stamp 3
	pattern verify /dev/mapper/odd --sectors 16380
	# Nothing was written beyond its end.
	check_eq "$(dd if=/dev/test/base bs=512 skip=16397 count=200 status=none | tr -d '\0' | wc -c)" 0
}

# ---- errors ----------------------------------------------------------------

# Eight chunks of 16 KiB of a 8 MiB origin are in a store: numbers 10 to 17.
# The devices are /dev/mapper/base and /dev/mapper/cow, which can be broken.
make_eight_exceptions() {
	dev base-disk 8
	dev cow-disk 16
	dm_linear base /dev/test/base-disk
	dm_linear cow /dev/test/cow-disk
	pattern write /dev/mapper/base
	snap_create snap /dev/mapper/base /dev/mapper/cow P 32
	pattern write /dev/mapper/snap --start 320 --sectors 256 --stamp 3
	dm_remove snap
	snap_origin origin /dev/mapper/base
	dm_load origin "$(snap_merge_table /dev/mapper/base /dev/mapper/cow P 32)"
}

# usage: check_io_after_failure
check_io_after_failure() {
	# Outside of the snapshot everything works, and reads work wherever the device does.
	pattern verify /dev/mapper/origin --sectors 320
	pattern verify /dev/mapper/origin --start 576
}

# The devices are good again.
check_merge_goes_on() {
	dm_remove origin
	dm_reload base "0 16384 linear /dev/test/base-disk 0"
	dm_reload cow "0 32768 linear /dev/test/cow-disk 0"
	store_check /dev/mapper/cow 16384
	dm_create origin "$(snap_merge_table /dev/mapper/base /dev/mapper/cow P 32)"
	wait_for merge_is_done origin
	pattern verify /dev/mapper/base --start 320 --sectors 256 --stamp 3
	pattern verify /dev/mapper/base --sectors 320
	check_eq "$(store_says /dev/mapper/cow entries)" 0
}

test_read_error_on_the_cow_device_fails_the_merge_and_nothing_else() {
	local nr
	make_eight_exceptions
	# Data begins with chunk 2; its fourth chunk cannot be read.
	dm_reload cow "0 160 linear /dev/test/cow-disk 0" "160 32 error" "192 32576 linear /dev/test/cow-disk 192"
	dm_suspend origin
	nr=$(nr_events origin)
	dm_resume origin
	timeout 60 dmsetup wait origin "$nr"
	wait_for status_is origin "Merge failed"
	check_io_after_failure
	check_fails pattern verify /dev/mapper/origin --start 416 --sectors 32 --stamp 3
	pattern verify /dev/mapper/origin --start 320 --sectors 96 --stamp 3
	pattern verify /dev/mapper/origin --start 448 --sectors 128 --stamp 3
	pattern write /dev/mapper/origin --start 330 --sectors 4 --stamp 3
	pattern write /dev/mapper/origin --start 0 --sectors 4
	check_merge_goes_on
}

# selection: 6.1 debug
test_write_error_on_the_origin_fails_the_merge_and_nothing_else() {
	local nr
	make_eight_exceptions
	modprobe dm-flakey
	dm_reload base "0 16384 flakey /dev/test/base-disk 0 0 3600 1 error_writes"
	dm_suspend origin
	nr=$(nr_events origin)
	dm_resume origin
	timeout 60 dmsetup wait origin "$nr"
	wait_for status_is origin "Merge failed"
	check_io_after_failure
	pattern verify /dev/mapper/origin --start 320 --sectors 256 --stamp 3
	check_fails pattern write /dev/mapper/origin --start 0 --sectors 32
	pattern write /dev/mapper/origin --start 330 --sectors 4 --stamp 3
	check_merge_goes_on
}

test_write_error_in_the_metadata_fails_the_merge_and_nothing_else() {
	make_eight_exceptions
	modprobe dm-flakey
	dm_reload cow "0 32768 flakey /dev/test/cow-disk 0 0 3600 1 error_writes"
	dm_suspend origin
	dm_resume origin
	wait_for status_is origin "Merge failed"
	check_io_after_failure
	pattern verify /dev/mapper/origin --start 320 --sectors 256 --stamp 3
	pattern write /dev/mapper/origin --start 0 --sectors 32
	check_merge_goes_on
}

test_failed_merge_survives_suspend_and_resume() {
	make_eight_exceptions
	dm_reload cow "0 160 linear /dev/test/cow-disk 0" "160 32 error" "192 32576 linear /dev/test/cow-disk 192"
	dm_suspend origin
	dm_resume origin
	wait_for status_is origin "Merge failed"
	dm_suspend origin
	dm_resume origin
	check_eq "$(dm_status origin)" "Merge failed"
	check_io_after_failure
	check_merge_goes_on
}

# ---- what is refused, and what is not --------------------------------------

test_merge_of_a_transient_store_is_refused() {
	make_origin 8
	dev cow 16
	check_fails dm_load origin "$(snap_merge_table /dev/test/origin /dev/test/cow N 32)" --with "device-mapper: table"
	check_fails dm_create other "$(snap_merge_table /dev/test/origin /dev/test/cow n 32)" --with "device-mapper: table"
	pattern verify /dev/mapper/origin
}

test_invalid_store_merges_as_an_empty_one() {
	make_origin 8
	make_snap snap P 32 16
	pattern write /dev/mapper/snap --start 320 --sectors 256 --stamp 3
	dm_remove snap
	cowstore invalidate /dev/test/snap-cow
	merge_into_origin /dev/test/snap-cow
	check_eq "$(dm_status origin)" Invalid
	pattern verify /dev/mapper/origin
	pattern write /dev/mapper/origin --start 300 --sectors 100 --stamp 4
	pattern verify /dev/mapper/origin --start 300 --sectors 100 --stamp 4
	pattern verify /dev/test/origin --start 300 --sectors 100 --stamp 4
	check_eq "$(dm_status origin)" Invalid
}

test_second_merge_into_one_origin_is_refused() {
	make_half_written
	dev second-cow 24
	start_slow_merge
	check_fails dm_create second "$(snap_merge_table /dev/test/origin /dev/test/second-cow P 8)" \
		--with device-mapper
	check_fails dmsetup info second
	stomp_merging --seconds 1
	end_merge "$TEST_DIR/after"
	# Now that the first is over, another one may.
	merge_into_origin /dev/test/second-cow 8
	wait_for merge_is_done origin
}

test_scattered_exceptions_are_read_many_at_a_time() {
	local before reads
	make_origin 64
	dev cow-disk 24
	cowstore fill /dev/test/cow-disk --chunk 8 --exceptions 2000 --scattered 1 --origin-sectors 131072 --data
	before=$(disk_stat cow-disk 1)
	merge_into_origin /dev/test/cow-disk 8
	wait_for merge_is_done origin
	reads=$(($(disk_stat cow-disk 1) - before))
	((reads < 500)) || fail "$reads reads for 2000 exceptions"
}

# Entries that are not in memory are read again, and must be those that were loaded.
test_merge_of_a_store_that_somebody_else_wrote_to_fails_and_changes_nothing() {
	local before area=$TEST_DIR/area
	make_origin 16
	dev cow-disk 24
	cowstore fill /dev/test/cow-disk --chunk 1 --exceptions 600 --origin-sectors 32768 --data
	dm_reload origin "$(snap_merge_table /dev/test/origin /dev/test/cow-disk P 1 merge_paused)"
	before=$(contents /dev/mapper/origin)
	# The first two entries change places, without their new chunks.
	dd if=/dev/test/cow-disk of="$area" bs=512 skip=1 count=1 iflag=direct status=none
	python3 - "$area" <<-'END'
		import sys
		area = bytearray(open(sys.argv[1], "rb").read())
		area[0:8], area[16:24] = area[16:24], area[0:8]
		open(sys.argv[1], "wb").write(area)
	END
	dd if="$area" of=/dev/test/cow-disk bs=512 seek=1 oflag=direct conv=notrunc status=none
	dmsetup message origin 0 merge resume
	wait_for status_is origin "Merge failed"
	check_eq "$(contents /dev/mapper/origin)" "$before" "what the merging device shows"
}

# What a snapshot that is taken now shows is the origin's own disk, half merged.
test_snapshot_taken_while_another_merges_keeps_what_the_origin_held_then() {
	local expected
	make_half_written
	start_slow_merge
	dm_suspend origin
	expected=$(contents /dev/test/origin)
	dev young-cow 24
	snap_create young /dev/test/origin /dev/test/young-cow P 64
	dm_resume origin
	check_eq "$(contents /dev/mapper/young)" "$expected"
	stomp_merging --seconds 2
	end_merge "$TEST_DIR/after"
	check_ne "$(contents /dev/test/origin)" "$expected"
	check_eq "$(contents /dev/mapper/young)" "$expected"
	dm_remove young
	store_check /dev/test/young-cow 32768
}

# selection: 6.1 debug
test_snapshots_may_come_and_go_while_another_merges_under_load() {
	local pid rounds=0 expected
	make_half_written
	dev young-cow 24
	start_slow_merge
	stomp_merging --seconds 4 &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		cow_clear /dev/test/young-cow
		# Nobody suspends the merging device first.
		snap_create young /dev/test/origin /dev/test/young-cow P 64
		expected=$(contents /dev/mapper/young)
		check_eq "$(contents /dev/mapper/young)" "$expected"
		dm_remove young
		rounds=$((rounds + 1))
	done
	wait $pid
	check_ne $rounds 0
	store_check /dev/test/young-cow 32768
	end_merge "$TEST_DIR/after"
}
