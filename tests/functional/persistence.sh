# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What a persistent snapshot holds is the same after it was removed and made
# again, after the module was loaded anew, and whatever the size of its store.

# shellcheck source=tests/lib/stores.sh
. "$VM_REPO/tests/lib/stores.sh"

reload_module() {
	rmmod dm_snapshot
	modprobe dm-snapshot
}

make_devices() {
	dev origin 16
	dev cow-disk 24
	dm_linear cow /dev/test/cow-disk
	snap_origin origin /dev/test/origin
}

# As many exceptions as asked for: the first half by writes to the origin, the
# rest by writes to the snapshot. Then the same contents and figures must be
# there when the module, and with it the store, has been loaded again.
# usage: check_store_of EXCEPTIONS CHUNK_SECTORS [COW_SECTORS], after make_devices
check_store_of() {
	local n=$1 chunk=$2 half=$(($1 / 2)) expected sum
	pattern write /dev/test/origin
	dm_reload cow "0 ${3:-49152} linear /dev/test/cow-disk 0"
	cow_clear /dev/mapper/cow
	snap_create snap /dev/test/origin /dev/mapper/cow P "$chunk"
	pattern write /dev/mapper/origin --start 0 --sectors $((half * chunk)) --stamp 2
	pattern write /dev/mapper/snap --start $((half * chunk)) --sectors $(((n - half) * chunk)) --stamp 3
	expected=$(expected_status "$n" "$chunk" /dev/mapper/cow)
	check_eq "$(dm_status snap)" "$expected" "with $n exceptions"
	sum=$(contents /dev/mapper/snap)

	dm_remove snap origin
	store_check /dev/mapper/cow 32768
	check_eq "$(store_says /dev/mapper/cow entries)" "$n"
	reload_module
	snap_origin origin /dev/test/origin
	snap_create snap /dev/test/origin /dev/mapper/cow P "$chunk"
	check_eq "$(dm_status snap)" "$expected" "with $n exceptions, loaded"
	check_eq "$(contents /dev/mapper/snap)" "$sum" "with $n exceptions, loaded"
	pattern verify /dev/mapper/snap --sectors $((half * chunk))
	pattern verify /dev/mapper/snap --start $((half * chunk)) --sectors $(((n - half) * chunk)) --stamp 3
	pattern verify /dev/mapper/snap --start $((n * chunk))
}

# After what is in the store, more is added, and then again all is as it was.
# usage: check_more EXCEPTIONS CHUNK_SECTORS, after check_store_of
check_more() {
	local start=$(($1 * $2)) sum
	pattern write /dev/mapper/origin --start $start --sectors $((40 * $2)) --stamp 4
	sum=$(contents /dev/mapper/snap)
	pattern verify /dev/mapper/snap --start $start
	check_eq "$(dm_status snap)" "$(expected_status $(($1 + 40)) "$2" /dev/mapper/cow)"
	dm_remove snap
	store_check /dev/mapper/cow 32768
	snap_create snap /dev/test/origin /dev/mapper/cow P "$2"
	check_eq "$(contents /dev/mapper/snap)" "$sum"
	check_eq "$(dm_status snap)" "$(expected_status $(($1 + 40)) "$2" /dev/mapper/cow)"
	dm_remove snap
}

test_empty_store_is_empty_again() {
	make_origin 8
	make_snap snap P 32 16
	check_eq "$(dm_status snap)" "$(expected_status 0 32 /dev/test/snap-cow)"
	dm_remove snap
	store_check /dev/test/snap-cow 16384
	snap_create snap /dev/test/origin /dev/test/snap-cow P 32
	check_eq "$(dm_status snap)" "$(expected_status 0 32 /dev/test/snap-cow)"
	pattern verify /dev/mapper/snap
}

# One area of a chunk of 8 sectors has 256 entries.
test_stores_of_up_to_one_area_are_the_same_again() {
	make_devices
	check_store_of 1 8
	dm_remove snap
	check_store_of 100 8
	check_more 100 8
	check_store_of 255 8
	check_more 255 8
}

# selection: 6.1
test_stores_of_exactly_full_areas_are_the_same_again() {
	make_devices
	check_store_of 256 8
	check_more 256 8
	check_store_of 512 8
	check_more 512 8
}

test_stores_of_many_areas_are_the_same_again() {
	make_devices
	check_store_of 257 8
	dm_remove snap
	check_store_of 3001 8
	check_more 3001 8
	# Large chunks
	check_store_of 14 1024
}

test_stores_that_end_with_their_device_are_the_same_again() {
	make_devices
	# 1 header, 2 areas, 256 data chunks: the second area, with only the
	# terminator in it, is the last chunk of the device.
	check_store_of 256 8 $((259 * 8))
	dm_remove snap
	# No room for the second area, so one chunk less can be kept.
	check_store_of 255 8 $((257 * 8))
}

test_partly_written_chunks_are_the_same_again() {
	local sum
	make_origin 16
	make_snap snap P 64 24
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw --equal-at-start --ops 1500 \
		--max-io 64k --align 512 --dump-state "$TEST_DIR/state"
	sum=$(contents /dev/mapper/snap)
	dm_remove snap origin
	reload_module
	snap_origin origin /dev/test/origin
	snap_create snap /dev/test/origin /dev/test/snap-cow P 64
	check_eq "$(contents /dev/mapper/snap)" "$sum"
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw --load-state "$TEST_DIR/state" \
		--ops 1500 --seed 2 --max-io 64k --align 512
	dm_remove snap
	store_check /dev/test/snap-cow 32768
}

test_eight_snapshots_are_the_same_again_together() {
	local chunk i=0 kinds=(P PO) snaps=() states=() chunks=(8 16 32 64 128 256 512 1024)
	make_origin 8
	for chunk in "${chunks[@]}"; do
		make_snap "snap$chunk" "${kinds[i++ % 2]}" "$chunk" 16
		snaps+=(--snap "/dev/mapper/snap$chunk:rw")
	done
	stomper --origin /dev/mapper/origin "${snaps[@]}" --equal-at-start --ops 1500 --max-io 32k --align 512 \
		--dump-state "$TEST_DIR/state"
	for chunk in "${chunks[@]}"; do
		states+=("$(dm_status "snap$chunk")")
		dm_remove "snap$chunk"
	done
	dm_remove origin
	reload_module
	i=0
	# The origin comes last: nothing was written in between.
	for chunk in "${chunks[@]}"; do
		store_check "/dev/test/snap$chunk-cow" 16384
		snap_create "snap$chunk" /dev/test/origin "/dev/test/snap$chunk-cow" "${kinds[i % 2]}" "$chunk"
		check_eq "$(dm_status "snap$chunk")" "${states[i++]}"
	done
	snap_origin origin /dev/test/origin
	stomper --origin /dev/mapper/origin "${snaps[@]}" --load-state "$TEST_DIR/state" --ops 1000 --seed 2 \
		--max-io 32k --align 512
}

test_store_fills_up_where_it_left_off() {
	local round
	make_origin 16
	dev cow 24
	for round in 0 1 2 3 4 5; do
		snap_create snap /dev/test/origin /dev/test/cow P 8
		check_eq "$(dm_status snap)" "$(expected_status $((round * 100)) 8 /dev/test/cow)"
		pattern write /dev/mapper/origin --start $((round * 800)) --sectors 800 --stamp 2
		dm_remove snap
		store_check /dev/test/cow 32768
	done
	snap_create snap /dev/test/origin /dev/test/cow P 8
	pattern verify /dev/mapper/snap
}

# selection: 6.1
test_copies_to_a_disk_that_knows_fua_need_no_flush_and_a_load_flushes_once() {
	local before
	make_origin 8
	dev cow-disk 16 cache_size=4
	snap_create snap /dev/test/origin /dev/test/cow-disk P 8
	before=$(disk_stat cow-disk 16)
	pattern write /dev/mapper/origin --sectors 800 --stamp 2
	check_eq "$(dm_status snap)" "$(expected_status 100 8 /dev/test/cow-disk)"
	check_eq "$(disk_stat cow-disk 16)" "$before" "flushes"

	dm_remove snap
	before=$(disk_stat cow-disk 16)
	snap_create snap /dev/test/origin /dev/test/cow-disk P 8
	check_eq $(($(disk_stat cow-disk 16) - before)) 1 "flushes of the load"
	pattern verify /dev/mapper/snap
}

test_invalid_store_stays_invalid() {
	make_origin 8
	make_snap snap P 32 16
	pattern write /dev/mapper/origin --sectors 100 --stamp 2
	dm_remove snap
	cowstore invalidate /dev/test/snap-cow
	snap_create snap /dev/test/origin /dev/test/snap-cow P 32
	check_eq "$(dm_status snap)" Invalid
	check_fails pattern verify /dev/mapper/snap
	pattern write /dev/mapper/origin --start 200 --sectors 100 --stamp 2
}
