# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# snapctl with LVM2: a logical volume in use becomes an origin, and the space of
# its snapshots comes from the volume group.
# timeout: 240

# shellcheck source=tests/lib/snapctl.sh
. "$VM_REPO/tests/lib/snapctl.sh"

# usage: run_lvm COMMAND [ARGUMENT]...
run_lvm() { "$1" --config 'activation { monitoring=0 }' "${@:2}"; }

test_a_mounted_logical_volume_is_snapshot_in_its_group_and_merged() {
	snapctl_start 64
	dev pv 256
	rm -rf /dev/vg
	run_lvm vgcreate -y vg "$(readlink -f /dev/test/pv)"
	run_lvm lvcreate -y -n vol -L 64M vg
	mkfs.ext4 -q -E nodiscard /dev/vg/vol
	mount_on vol /dev/vg/vol
	dd if=/dev/urandom of="$TEST_DIR/vol/file" bs=1M count=24 conv=fsync status=none
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/before"

	snapctl origin add vol /dev/vg/vol
	check_eq "$(field vol taken_over)" True
	snapctl create vol monday --vg vg --size 8M
	# More than there is room for at first: it is extended by lvextend.
	dd if=/dev/urandom of="$TEST_DIR/vol/file" bs=1M count=24 conv=notrunc,fsync status=none
	wait_for health_is monday active
	(($(field monday total_bytes) > 16 << 20)) || fail "it was not extended"
	umount "$TEST_DIR/vol"
	snapctl merge monday
	mount_on vol /dev/vg/vol
	check_eq "$(sums_of "$TEST_DIR/vol")" "$(<"$TEST_DIR/before")"
	check_eq "$(run_lvm lvs --noheadings -o lv_name vg | tr -d ' ')" vol
	snapctl origin remove vol
	check_match "$(dm_table vg-vol)" linear
	check_nothing_half_done
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/after"
	check_eq "$(<"$TEST_DIR/after")" "$(<"$TEST_DIR/before")"
	umount "$TEST_DIR/vol"
	fsck.ext4 -fn /dev/vg/vol
}
