# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Stores go from the kernel's own module to this one and back, at any point of
# their lives, and nobody can tell who wrote them.

# shellcheck source=tests/lib/stores.sh
. "$VM_REPO/tests/lib/stores.sh"

# usage: use_module ours|intree
use_module() {
	local version
	rmmod dm_snapshot
	if [[ $1 == ours ]]; then
		insmod "$VM_MODULE_PATH"
	else
		modprobe --ignore-install dm-snapshot
	fi
	version=$(dmsetup targets | sed -n 's/^snapshot *v//p')
	# Ours is above the kernel's by contract: LVM2 goes by it.
	if [[ $1 == ours ]]; then
		check_ne "$version" 1.16.0
	else
		check_eq "$version" 1.16.0
	fi
}

need_both() {
	[[ $VM_MODULE == ours ]] || skip "needs the module of this tree besides the kernel's"
	modinfo -k "$VM_RELEASE" dm-snapshot >/dev/null 2>&1 || skip "the kernel's own module is not installed"
}

other_than() { if [[ $1 == ours ]]; then echo intree; else echo ours; fi; }

# An origin of 16 MiB; the COW device is /dev/mapper/cow, on /dev/test/cow-disk.
make_devices() {
	dev origin 16
	pattern write /dev/test/origin
	dev cow-disk 24 cache_size=4
	slow_dev cow /dev/test/cow-disk 0 0
}

# usage: start_snap CHUNK_SECTORS [TYPE]
# The origin comes last: the kernel's module looks only when it is resumed at which
# chunk size it must cut writes.
start_snap() {
	snap_create snap /dev/test/origin /dev/mapper/cow "${2:-P}" "$1"
	snap_origin origin /dev/test/origin
}

# usage: stomp [OPTION]...
stomp() {
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw,as=merge --max-io 64k --align 512 "$@"
}

# The entries of the store as text, in their order.
entries() { cowstore dump /dev/test/cow-disk | grep -e '->' || true; }

# One module fills a store, the other goes on with it.
# usage: check_store_goes_over FROM CHUNK_SECTORS
check_store_goes_over() {
	local status stored to
	to=$(other_than "$1")
	need_both
	make_devices
	use_module "$1"
	start_snap "$2"
	stomp --equal-at-start --ops 2500 --dump-state "$TEST_DIR/state"
	status=$(dm_status snap)
	dm_remove snap origin
	store_check /dev/test/cow-disk 32768
	stored=$(entries)

	use_module "$to"
	start_snap "$2"
	check_eq "$(dm_status snap)" "$status"
	stomp --verify-only --load-state "$TEST_DIR/state"
	check_eq "$(entries)" "$stored"
	stomp --ops 1500 --seed 2 --load-state "$TEST_DIR/state" --dump-state "$TEST_DIR/more"
	status=$(dm_status snap)
	dm_remove snap origin
	store_check /dev/test/cow-disk 32768
	check_eq "$(entries | head -n 3)" "$(head -n 3 <<<"$stored")"

	# And back.
	use_module "$1"
	start_snap "$2"
	check_eq "$(dm_status snap)" "$status"
	stomp --verify-only --load-state "$TEST_DIR/more"
	dm_remove snap origin
}

test_store_of_the_kernels_module_with_several_areas_is_continued_and_given_back() { check_store_goes_over intree 8; }
test_our_store_with_several_areas_is_continued_and_given_back() { check_store_goes_over ours 8; }
test_store_of_the_kernels_module_with_large_chunks_is_continued() { check_store_goes_over intree 256; }
test_our_store_with_large_chunks_is_continued() { check_store_goes_over ours 256; }

test_fresh_stores_go_over_in_both_directions() {
	local maker status sums=()
	need_both
	make_devices
	for maker in intree ours; do
		use_module $maker
		cow_clear /dev/mapper/cow
		start_snap 32
		status=$(dm_status snap)
		dm_remove snap origin
		sums+=("$(contents /dev/test/cow-disk)")
		use_module "$(other_than $maker)"
		start_snap 32
		check_eq "$(dm_status snap)" "$status"
		pattern verify /dev/mapper/snap
		dm_remove snap origin
		check_eq "$(contents /dev/test/cow-disk)" "${sums[-1]}" "loading changed the store"
	done
	check_eq "${sums[0]}" "${sums[1]}"
}

# Whole areas and nothing more: where the next one must have been prepared.
# usage: check_full_area FROM
check_full_area() {
	local status
	need_both
	make_devices
	use_module "$1"
	start_snap 8
	pattern write /dev/mapper/snap --start 800 --sectors $((512 * 8)) --stamp 3
	status=$(dm_status snap)
	dm_remove snap origin
	check_eq "$(store_says /dev/test/cow-disk entries)" 512
	use_module "$(other_than "$1")"
	start_snap 8
	check_eq "$(dm_status snap)" "$status"
	pattern verify /dev/mapper/snap --start 800 --sectors $((512 * 8)) --stamp 3
	pattern write /dev/mapper/snap --start 8000 --sectors 80 --stamp 4
	dm_remove snap origin
	store_check /dev/test/cow-disk 32768
	use_module "$1"
	start_snap 8
	pattern verify /dev/mapper/snap --start 8000 --sectors 80 --stamp 4
	pattern verify /dev/mapper/snap --start 800 --sectors $((512 * 8)) --stamp 3
	pattern verify /dev/mapper/snap --sectors 800
}

test_exactly_full_areas_of_the_kernels_module_are_continued() { check_full_area intree; }
test_our_exactly_full_areas_are_continued() { check_full_area ours; }

# usage: start_merge CHUNK_SECTORS
start_merge() { dm_create origin "$(snap_merge_table /dev/test/origin /dev/mapper/cow P "$1")"; }

# One module begins to merge, the other looks at what is left, then ends it.
# usage: check_half_merged FROM
check_half_merged() {
	local all left
	need_both
	make_devices
	use_module "$1"
	start_snap 8
	stomp --equal-at-start --ops 2500 --dump-state "$TEST_DIR/state"
	dm_remove snap origin
	all=$(store_says /dev/test/cow-disk entries)

	slow_set cow /dev/test/cow-disk 0 0 200
	start_merge 8
	left=$(allocated origin)
	wait_for is_below origin "$left"
	dm_suspend origin
	slow_set cow /dev/test/cow-disk 0 0
	dm_remove origin
	left=$(store_says /dev/test/cow-disk entries)
	((left > 0 && left < all)) || fail "not half merged: $left of $all entries are left"
	store_check /dev/test/cow-disk 32768

	use_module "$(other_than "$1")"
	start_snap 8
	stomper --expect-merge /dev/mapper/snap --verify-only --load-state "$TEST_DIR/state"
	dm_remove snap origin
	start_merge 8
	stomper --expect-merge /dev/mapper/origin --load-state "$TEST_DIR/state" --dump-state "$TEST_DIR/after" \
		--ops 500 --seed 3 --max-io 64k --align 512
	wait_for merge_is_done origin
	stomper --expect-merge /dev/test/origin --verify-only --load-state "$TEST_DIR/after"
	dm_remove origin
	check_eq "$(store_says /dev/test/cow-disk entries)" 0
	store_check /dev/test/cow-disk 32768
}

test_merge_that_the_kernels_module_began_is_ended() { check_half_merged intree; }
test_merge_that_ours_began_is_ended_by_the_kernels_module() { check_half_merged ours; }

# usage: check_merged_by_other FROM
check_merged_by_other() {
	need_both
	make_devices
	use_module "$1"
	start_snap 32
	stomp --equal-at-start --ops 2000 --dump-state "$TEST_DIR/state"
	dm_remove snap origin
	use_module "$(other_than "$1")"
	start_merge 32
	stomper --expect-merge /dev/mapper/origin --load-state "$TEST_DIR/state" --dump-state "$TEST_DIR/after" \
		--ops 500 --seed 3 --max-io 64k --align 512
	wait_for merge_is_done origin
	stomper --expect-merge /dev/test/origin --verify-only --load-state "$TEST_DIR/after"
	dm_remove origin
	store_check /dev/test/cow-disk 32768
}

test_store_of_the_kernels_module_is_merged() { check_merged_by_other intree; }
test_our_store_is_merged_by_the_kernels_module() { check_merged_by_other ours; }

# A snapshot that ran out of room, as the other module sees it.
# usage: check_invalid FROM
check_invalid() {
	need_both
	dev origin 8
	pattern write /dev/test/origin
	dev cow-disk 1
	slow_dev cow /dev/test/cow-disk 0 0
	use_module "$1"
	start_snap 32
	pattern write /dev/mapper/origin --sectors 8192 --stamp 2
	check_eq "$(dm_status snap)" Invalid
	dm_remove snap origin
	use_module "$(other_than "$1")"
	start_snap 32
	check_eq "$(dm_status snap)" Invalid
	pattern verify /dev/mapper/origin --sectors 8192 --stamp 2
}

test_store_that_the_kernels_module_invalidated_is_invalid() { check_invalid intree; }
test_store_that_ours_invalidated_is_invalid_to_the_kernels_module() { check_invalid ours; }

# One write at a time, so that there is only one order. Whole chunks and parts
# of them, into more than one area, to the snapshot and to the origin.
# usage: same_writes CHUNK_SECTORS
same_writes() {
	start_snap "$1"
	fio --ioengine=psync --direct=1 --thread --minimal --output="$TEST_DIR/fio" --randrepeat=1 \
		--buffer_pattern='"snapctl"' --rw=randwrite \
		--name=whole --stonewall --filename=/dev/mapper/snap --size=8m --bs=4k --io_size=1m \
		--name=part --stonewall --filename=/dev/mapper/snap --offset=8m --size=8m --bs=1536 --io_size=150k \
		--name=origin --stonewall --filename=/dev/mapper/origin --size=16m --bs=2k --io_size=300k
	dm_status snap
	dm_remove snap origin
}

# usage: check_identical CHUNK_SECTORS MIN_AREAS
check_identical() {
	local status
	need_both
	dev origin 16
	pattern write /dev/test/origin
	dev first 24
	dev second 24

	use_module intree
	slow_dev cow /dev/test/first 0 0
	status=$(same_writes "$1")
	dm_remove cow
	pattern write /dev/test/origin
	use_module ours
	slow_dev cow /dev/test/second 0 0
	check_eq "$(same_writes "$1")" "$status"
	dm_remove cow
	(($(store_says /dev/test/first areas) >= $2)) || fail "the test is too small"
	cmp /dev/test/first /dev/test/second
}

test_same_writes_make_the_same_store_byte_for_byte() { check_identical 8 2; }
test_same_writes_make_the_same_store_of_larger_chunks_byte_for_byte() { check_identical 64 1; }
