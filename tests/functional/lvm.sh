# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# LVM2, as the distribution packages it, on top of the module.

# shellcheck source=tests/lib/stores.sh
. "$VM_REPO/tests/lib/stores.sh"

# Every command of LVM2 is a second or two, so each test is one story.
# usage: run_lvm COMMAND [ARGUMENT]...
run_lvm() { "$1" --config 'activation { monitoring=0 polling_interval=1 }' "${@:2}"; }

# usage: lv_field FIELD LV
lv_field() {
	local text
	text=$(run_lvm lvs --noheadings -o "$1" "$2")
	echo "${text//[[:space:]]/}"
}

lv_gone() { ! run_lvm lvs "$1"; }

# A volume vg/vol with a file system, mounted on $TEST_DIR/vol, with files in it
# whose sums are in $TEST_DIR/sums.
# usage: make_volume ext4|xfs
make_volume() {
	dev pv0 128
	dev pv1 96
	# Without udev nobody removes the links of a test before.
	rm -rf /dev/vg
	run_lvm vgcreate -y vg "$(readlink -f /dev/test/pv0)" "$(readlink -f /dev/test/pv1)"
	run_lvm lvcreate -y -n vol -L 64M vg
	case $1 in
	ext4) mkfs.ext4 -q /dev/vg/vol ;;
	xfs)
		[[ $VM_KERNEL != debug ]] || modprobe xfs || skip "no xfs in this kernel"
		mkfs.xfs --unsupported -q /dev/vg/vol
		;;
	esac
	mount_on vol /dev/vg/vol
	mkdir "$TEST_DIR/vol/dir"
	head -c 3000000 /dev/urandom >"$TEST_DIR/vol/dir/large"
	head -c 1000 /dev/urandom >"$TEST_DIR/vol/dir/small"
	seq 20000 >"$TEST_DIR/vol/numbers"
	(cd "$TEST_DIR/vol" && find . -type f -print0 | xargs -0 sha256sum) >"$TEST_DIR/sums"
	sync -f "$TEST_DIR/vol"
}

change_volume() {
	head -c 4000000 /dev/urandom >"$TEST_DIR/vol/new"
	head -c 3000000 /dev/urandom | dd of="$TEST_DIR/vol/dir/large" conv=notrunc,fsync bs=64k status=none
	rm "$TEST_DIR/vol/numbers"
	sync -f "$TEST_DIR/vol"
}

# usage: check_original MOUNT
check_original() {
	(cd "$TEST_DIR/$1" && sha256sum --quiet -c "$TEST_DIR/sums")
	[[ ! -e $TEST_DIR/$1/new ]] || fail "$1 holds a file that is younger than it"
}

# usage: snapshot_mount_options ext4|xfs
snapshot_mount_options() { if [[ $1 == xfs ]]; then echo ro,nouuid,norecovery; else echo ro; fi; }

# usage: snapshots_live FS
snapshots_live() {
	local percent status
	make_volume "$1"
	run_lvm lvcreate -y -s -n snap -L 12M -c 4k vg/vol
	run_lvm lvcreate -y -s -n other -L 16M -c 64k vg/vol
	check_match "$(dm_table vg-snap)" ' snapshot .* (P|PO) 8( |$)'
	change_volume
	percent=$(lv_field data_percent vg/snap)
	awk -v p="$percent" 'BEGIN { exit !(p > 10 && p < 100) }' || fail "the snapshot is $percent% full"
	percent=$(lv_field metadata_percent vg/snap)
	[[ -z $percent || $percent != 100* ]] || fail "$percent% of metadata"
	check_eq "$(lv_field lv_attr vg/vol | cut -c1)" o
	mount_on snap /dev/vg/snap -o "$(snapshot_mount_options "$1")"
	check_original snap

	# More room, while it is in use; then so many changes that it needs it.
	run_lvm lvextend -L +28M vg/snap
	check_eq "$(dm_status vg-snap | cut -d/ -f2 | cut -d' ' -f1)" $((40 * 2048))
	dd if=/dev/urandom of="$TEST_DIR/vol/more" bs=1M count=9 conv=fsync status=none
	dd if=/dev/urandom of="$TEST_DIR/vol/even-more" bs=1M count=5 conv=fsync status=none
	check_ne "$(dm_status vg-snap)" Invalid
	(($(allocated vg-snap) > 12 * 2048)) || fail "the room that was added was not needed"
	echo 3 >/proc/sys/vm/drop_caches
	check_original snap
	umount "$TEST_DIR/snap" "$TEST_DIR/vol"

	# All of it goes away and comes back.
	status=$(dm_status vg-snap)
	run_lvm vgchange -an vg
	check_fails dmsetup info vg-snap
	run_lvm vgchange -ay vg
	check_eq "$(dm_status vg-snap)" "$status"
	for snap in snap other; do
		[[ $(dm_status vg-$snap) != Invalid ]] || continue
		mount_on $snap /dev/vg/$snap -o "$(snapshot_mount_options "$1")"
		check_original $snap
		umount "$TEST_DIR/$snap"
	done

	run_lvm lvremove -y vg/snap
	check_fails dmsetup info vg-snap
	# With the origin goes what is left.
	run_lvm lvremove -y vg/vol
	check_fails dmsetup info vg-other
	check_fails dmsetup info vg-vol
	run_lvm vgremove -y vg
}

test_lvm_snapshots_of_ext4_live_grow_and_go() { snapshots_live ext4; }
test_lvm_snapshots_of_xfs_live_grow_and_go() { snapshots_live xfs; }

# usage: check_merged FS
check_merged() {
	wait_for -t 60 lv_gone vg/snap
	check_match "$(dm_table vg-vol)" ' linear '
	mount_on vol /dev/vg/vol
	check_original vol
	umount "$TEST_DIR/vol"
	case $1 in
	ext4) e2fsck -fn /dev/vg/vol ;;
	xfs) xfs_repair -n /dev/vg/vol ;;
	esac
}

# usage: merge_of_active_origin FS
merge_of_active_origin() {
	make_volume "$1"
	run_lvm lvcreate -y -s -n snap -L 24M vg/vol
	change_volume
	umount "$TEST_DIR/vol"
	run_lvm lvconvert --merge -i 1 vg/snap
	check_merged "$1"
}

test_lvm_merges_into_an_active_ext4_at_once() { merge_of_active_origin ext4; }

# usage: merge_of_inactive_origin FS
merge_of_inactive_origin() {
	make_volume "$1"
	run_lvm lvcreate -y -s -n snap -L 24M vg/vol
	change_volume
	umount "$TEST_DIR/vol"
	run_lvm lvchange -an vg/vol
	run_lvm lvconvert --merge -i 1 vg/snap
	run_lvm lvchange -ay vg/vol
	check_merged "$1"
}

test_lvm_merges_into_an_inactive_xfs_when_it_is_activated() { merge_of_inactive_origin xfs; }

# usage: merge_of_mounted_origin FS
merge_of_mounted_origin() {
	make_volume "$1"
	run_lvm lvcreate -y -s -n snap -L 24M -c 4k vg/vol
	run_lvm lvcreate -y -s -n other -L 24M -c 16k vg/vol
	change_volume
	run_lvm lvconvert --merge -i 1 vg/snap
	# It is in use: nothing has begun.
	check_match "$(dm_table vg-vol)" ' snapshot-origin '
	[[ -e $TEST_DIR/vol/new ]]
	umount "$TEST_DIR/vol"
	run_lvm lvchange -an vg/vol
	run_lvm lvchange -ay vg/vol
	# From the first moment on it shows what was merged.
	mount_on vol /dev/vg/vol
	check_original vol
	wait_for -t 60 lv_gone vg/snap
	check_original vol
	umount "$TEST_DIR/vol"
	case $1 in
	ext4) e2fsck -fn /dev/vg/vol ;;
	xfs) xfs_repair -n /dev/vg/vol ;;
	esac
	# The other snapshot holds what its origin was when it was taken: the same.
	mount_on other /dev/vg/other -o "$(snapshot_mount_options "$1")"
	check_original other
}

test_lvm_merges_into_a_mounted_ext4_at_the_next_activation() { merge_of_mounted_origin ext4; }
