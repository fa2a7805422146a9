# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# selection: 6.1 debug
#
# The least that a snapshot does, over a file system, with any dm-snapshot:
# tests/run -m intree runs this too.

# A file system with contents on $TEST_DIR/fs, written through the origin.
file_system_with_origin() {
	dev base 256
	dev cow 64 "$@"
	snap_origin origin /dev/test/base
	mke2fs -q -t ext4 -b 4096 -O ^has_journal /dev/mapper/origin
	mount_on fs /dev/mapper/origin
	cp -r tests/vm "$TEST_DIR/fs/"
	sync -f "$TEST_DIR/fs"
}

# usage: sums FOLDER
sums() { (cd "$1" && find . -type f -exec md5sum {} + | sort); }

take_snapshot() {
	dm_suspend origin
	snap_create snap /dev/test/base /dev/test/cow "$@"
	dm_resume origin
}

test_snapshot_keeps_the_file_system_as_it_was() {
	local before
	file_system_with_origin
	before=$(sums "$TEST_DIR/fs")
	take_snapshot P 16
	rm -r "$TEST_DIR/fs/vm"
	dd if=/dev/urandom of="$TEST_DIR/fs/noise" bs=1M count=16 status=none
	sync -f "$TEST_DIR/fs"
	mount_on snap /dev/mapper/snap -o ro
	check_eq "$(sums "$TEST_DIR/snap")" "$before" "the snapshot"
	check_match "$(dm_status snap)" '^[0-9]+/131072 [0-9]+$'
}

test_snapshot_can_be_written_and_the_origin_stays() {
	local before
	file_system_with_origin blocksize=4096
	before=$(sums "$TEST_DIR/fs")
	take_snapshot N 8
	mount_on snap /dev/mapper/snap
	rm -r "$TEST_DIR/snap/vm"
	echo new >"$TEST_DIR/snap/new"
	sync -f "$TEST_DIR/snap"
	check_eq "$(sums "$TEST_DIR/fs")" "$before" "the origin"
	check_eq "$(<"$TEST_DIR/snap/new")" new
}

test_merge_brings_the_snapshot_back() {
	local before
	file_system_with_origin
	before=$(sums "$TEST_DIR/fs")
	take_snapshot P 16
	rm -r "$TEST_DIR/fs/vm"
	dd if=/dev/urandom of="$TEST_DIR/fs/noise" bs=1M count=4 status=none
	umount "$TEST_DIR/fs"
	dm_remove snap
	dm_reload origin "$(snap_merge_table /dev/test/base /dev/test/cow P 16)"
	wait_for -t 60 merge_is_done origin
	mount_on fs /dev/mapper/origin -o ro
	check_eq "$(sums "$TEST_DIR/fs")" "$before" "the origin after the merge"
}
