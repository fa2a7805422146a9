# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Discards and write-zeroes: of a snapshot, by its two features; of an origin that
# has snapshots.

# shellcheck source=tests/lib/failures.sh
. "${BASH_SOURCE[0]%/*}/../lib/failures.sh"

readonly o=/dev/test/o c=/dev/test/c

# Both of them can discard, and forget what was discarded.
devices() {
	dev o 4 discard=1
	dev c 4 discard=1
	pattern write $o
}

# Disks that know write-zeroes, too: loop devices on ext4, which is let go of at once
# so that nothing has to be unmounted later.
zeroing_devices() {
	local name
	modprobe loop
	dev fs 32
	mke2fs -q -t ext4 -O ^has_journal /dev/test/fs
	mount_on fs /dev/test/fs
	truncate -s 4M "$TEST_DIR/fs/o"
	truncate -s 8M "$TEST_DIR/fs/c"
	for name in o c; do
		ln -sfn "$(losetup --find --show "$TEST_DIR/fs/$name")" "/dev/test/$name"
		check_ne "$(queue "/dev/test/$name" write_zeroes_max_bytes)" 0 "write-zeroes of a loop device"
	done
	umount --lazy "$TEST_DIR/fs"
	pattern write $o
}

# usage: queue DEVICE ATTRIBUTE
queue() { cat "/sys/dev/block/$(major_minor "$1")/queue/$2"; }

# usage: is_zero DEVICE START SECTORS
is_zero() {
	local bytes
	bytes=$(dd if="$1" bs=512 skip="$2" count="$3" iflag=direct status=none | tr -d '\0' | wc -c)
	check_eq "$bytes" 0 "bytes that are not zero in $1 from sector $2 on"
}

# usage: discard DEVICE START SECTORS [-z]
discard() { blkdiscard --force "${@:4}" -o $(($2 * 512)) -l $(($3 * 512)) "$1"; }

test_snapshot_without_the_features_takes_no_discards() {
	devices
	snap_create s $o $c P 8
	check_eq "$(queue /dev/mapper/s discard_max_bytes)" 0
	check_fails blkdiscard --force /dev/mapper/s
	pattern verify /dev/mapper/s
}

test_discard_granularity_is_the_chunk_in_bytes() {
	local chunk
	devices
	for chunk in 8 32 256; do
		cow_clear $c
		snap_create s $o $c P $chunk discard_zeroes_cow
		check_eq "$(queue /dev/mapper/s discard_granularity)" $((chunk * 512))
		check_ne "$(queue /dev/mapper/s discard_max_bytes)" 0
		dm_remove s
	done
}

# usage: own_data FEATURE...: stamp 1 in chunks 16 to 31 of 4 KiB
own_data() {
	devices
	snap_create s $o $c P 8 "$@"
	pattern write /dev/mapper/s --start 128 --sectors 128 --stamp 1
	status=$(dm_status s)
}

test_discard_of_a_snapshot_zeroes_its_own_chunks_and_nothing_else() {
	own_data discard_zeroes_cow
	# From before the own chunks to the middle of them.
	discard /dev/mapper/s 64 128
	is_zero /dev/mapper/s 128 64
	pattern verify /dev/mapper/s --sectors 128
	pattern verify /dev/mapper/s --start 192 --sectors 64 --stamp 1
	pattern verify /dev/mapper/s --start 256
	pattern verify $o
	check_eq "$(dm_status s)" "$status" "a discard takes no room"
	dm_remove s
	snap_create s $o $c P 8
	is_zero /dev/mapper/s 128 64
	pattern verify /dev/mapper/s --start 192 --sectors 64 --stamp 1
}

test_discard_of_a_part_of_a_chunk_changes_nothing() {
	own_data discard_zeroes_cow
	discard /dev/mapper/s 129 6
	pattern verify /dev/mapper/s --start 128 --sectors 128 --stamp 1
	# The chunk in the middle is whole.
	discard /dev/mapper/s 133 14
	pattern verify /dev/mapper/s --start 128 --sectors 8 --stamp 1
	is_zero /dev/mapper/s 136 8
	pattern verify /dev/mapper/s --start 144 --sectors 112 --stamp 1
}

test_discard_of_a_whole_snapshot() {
	own_data discard_zeroes_cow
	blkdiscard --force /dev/mapper/s
	is_zero /dev/mapper/s 128 128
	pattern verify /dev/mapper/s --sectors 128
	pattern verify /dev/mapper/s --start 256
	dm_remove s
	store_is $c "^valid .* entries=16 " --strict
}

# Past all snapshots, as the feature's users expect.
test_passdown_discards_the_origin_as_well() {
	own_data discard_zeroes_cow discard_passdown_origin
	discard /dev/mapper/s 64 128
	is_zero $o 64 128
	pattern verify $o --sectors 64
	pattern verify $o --start 192
	is_zero /dev/mapper/s 64 128
	pattern verify /dev/mapper/s --start 192 --sectors 64 --stamp 1
	check_eq "$(dm_status s)" "$status"
}

test_passdown_to_an_origin_that_cannot_discard_is_ignored() {
	dev o 4
	dev c 4
	pattern write $o
	snap_create s $o $c P 8 discard_zeroes_cow discard_passdown_origin
	pattern write /dev/mapper/s --start 128 --sectors 128 --stamp 1
	discard /dev/mapper/s 64 128
	is_zero /dev/mapper/s 128 64
	pattern verify $o
}

test_passdown_to_an_origin_that_learns_to_discard_later() {
	dev plain 4
	dev o 4 discard=1
	dev c 4
	pattern write $o
	dm_linear changing /dev/test/plain
	snap_create s /dev/mapper/changing $c P 8 discard_zeroes_cow discard_passdown_origin
	dm_reload changing "0 8192 linear $o 0"
	discard /dev/mapper/s 64 128
	is_zero $o 64 128
	pattern verify $o --start 192
}

test_discard_of_an_invalid_snapshot_fails() {
	own_data discard_zeroes_cow
	dm_remove s
	cowstore invalidate $c
	snap_create s $o $c P 8 discard_zeroes_cow
	check_fails discard /dev/mapper/s 128 8 --with "nput/output error"
}

# usage: origin_with_snapshots: s and s2 of different chunk sizes, both with some
# exceptions
origin_with_snapshots() {
	dev c2 8
	snap_origin orig $o
	snap_create s $o $c P 8
	snap_create s2 $o /dev/test/c2 N 64
	pattern write /dev/mapper/orig --start 1000 --sectors 24
}

snapshots_hold() {
	pattern verify /dev/mapper/s
	pattern verify /dev/mapper/s2
}

test_discard_of_an_origin_is_preserved_first_and_then_passed_down() {
	devices
	origin_with_snapshots
	check_eq "$(queue /dev/mapper/orig discard_granularity)" "$(queue $o discard_granularity)"
	# Sector by sector, over what is preserved and what is not.
	discard /dev/mapper/orig 901 201
	is_zero $o 901 201
	pattern verify $o --sectors 901
	pattern verify $o --start 1102
	snapshots_hold
	# The chunks 112 to 137 of s, 14 to 17 of s2.
	check_eq "$(dm_status s)" "224/8192 16"
	check_eq "$(dm_status s2)" "256/16384 0"
	dm_remove s
	store_is $c "^valid .* entries=26 " --strict
}

test_discard_of_a_whole_origin_is_preserved_first() {
	dev o 4 discard=1
	dev c 8
	pattern write $o
	origin_with_snapshots
	blkdiscard --force /dev/mapper/orig
	is_zero $o 0 8192
	snapshots_hold
}

test_discard_of_an_origin_with_a_full_snapshot_goes_on() {
	dev o 4 discard=1
	dev c 1
	pattern write $o
	origin_with_snapshots
	blkdiscard --force /dev/mapper/orig
	is_zero $o 0 8192
	snapshot_is_lost s
	pattern verify /dev/mapper/s2
}

test_origin_that_cannot_discard_says_so() {
	dev o 4
	snap_origin orig $o
	check_eq "$(queue /dev/mapper/orig discard_max_bytes)" 0
	check_fails blkdiscard --force /dev/mapper/orig
}

test_zeroes_written_to_an_origin_are_preserved_first() {
	devices
	origin_with_snapshots
	# null_blk knows no write-zeroes: the block layer writes them.
	discard /dev/mapper/orig 901 201 -z
	is_zero $o 901 201
	pattern verify $o --sectors 901
	pattern verify $o --start 1102
	snapshots_hold
	check_eq "$(dm_status s)" "224/8192 16"
}

test_write_zeroes_of_an_origin_are_preserved_first_and_then_passed_down() {
	zeroing_devices
	origin_with_snapshots
	check_ne "$(queue /dev/mapper/orig write_zeroes_max_bytes)" 0
	discard /dev/mapper/orig 901 201 -z
	is_zero $o 901 201
	pattern verify $o --sectors 901
	pattern verify $o --start 1102
	snapshots_hold
	check_eq "$(dm_status s)" "224/16384 16"
	fallocate --punch-hole -o $((2048 * 512)) -l $((80 * 512)) /dev/mapper/orig
	is_zero $o 2048 80
	fallocate --zero-range -o $((3000 * 512)) -l $((80 * 512)) /dev/mapper/orig
	is_zero $o 3000 80
	snapshots_hold
	blkdiscard --force -z /dev/mapper/orig
	is_zero $o 0 8192
	snapshots_hold
	blkdiscard --force /dev/mapper/orig
	snapshots_hold
}

test_write_zeroes_of_a_snapshot_are_kept() {
	zeroing_devices
	snap_create s $o $c P 8
	discard /dev/mapper/s 901 201 -z
	is_zero /dev/mapper/s 901 201
	pattern verify /dev/mapper/s --sectors 901
	pattern verify /dev/mapper/s --start 1102
	pattern verify $o
	dm_remove s
	store_is $c "^valid .* entries=26 " --strict
	snap_create s $o $c P 8
	is_zero /dev/mapper/s 901 201
}

test_write_zeroes_of_a_merging_origin_last() {
	zeroing_devices
	snap_create s $o $c P 8
	pattern write /dev/mapper/s --start 904 --sectors 400 --stamp 1
	dm_remove s
	dm_create orig "$(snap_merge_table $o $c P 8)"
	discard /dev/mapper/orig 901 201 -z
	is_zero /dev/mapper/orig 901 201
	wait_for merge_is_done orig
	is_zero /dev/mapper/orig 901 201
	dm_remove orig
	is_zero $o 901 201
	pattern verify $o --sectors 901
	pattern verify $o --start 1102 --sectors 202 --stamp 1
	pattern verify $o --start 1304
}

# selection: 6.1 debug
test_mixed_load_with_discards_and_zeroes_is_exact() {
	zeroing_devices
	dev c2 8
	snap_origin orig $o
	snap_create s $o $c P 8
	snap_create s2 $o /dev/test/c2 N 32
	stomper --origin /dev/mapper/orig --snap /dev/mapper/s:rw --snap /dev/mapper/s2 --threads 4 --ops 800 \
		--seed 3 --max-io 64K --align 512 --zero-percent 20 --discard-percent 20 --size 2M --equal-at-start
	dm_remove s
	store_is $c "^valid " --strict
}
