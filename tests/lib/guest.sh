# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The vocabulary of tests that run in the guest. Nothing has to be cleaned up:
# after each test the runner removes every mount, device-mapper device and
# disk, and unloads the module.

# shellcheck source=tests/lib/check.sh
. "${BASH_SOURCE[0]%/*}/check.sh"

# Kernel errors that this test provokes on purpose. What tells of a bug in the
# kernel (WARNING, BUG, lockdep, KASAN, hung tasks...) can not be allowed, and
# lines of device-mapper need not be.
# usage: allow_kmsg EXTENDED-REGEX
allow_kmsg() { echo "$1" >>"$TEST_DIR/allowed"; }

# ---- disks -----------------------------------------------------------------

# Make a memory-backed disk /dev/test/NAME. It is sparse: only what has been
# written takes memory. The options are null_blk's attributes: blocksize=4096,
# discard=1, cache_size=MIB (a volatile write cache), max_sectors=N, ...
# usage: dev NAME SIZE_MIB [OPTION=VALUE]...
dev() {
	local name=$1 size=$2 config option disk
	shift 2
	[[ -d /sys/kernel/config/nullb ]] || modprobe null_blk nr_devices=0
	config=/sys/kernel/config/nullb/$name
	mkdir "$config"
	for option in memory_backed=1 size="$size" blocksize=512 submit_queues=2 irqmode=0 "$@" power=1; do
		echo "${option#*=}" >"$config/${option%%=*}" || fail "null_blk refuses $option"
	done
	disk=/dev/nullb$(<"$config/index")
	[[ ! -e /dev/$name ]] || disk=/dev/$name
	wait_for test -b "$disk"
	mkdir -p /dev/test
	ln -sfn "$disk" "/dev/test/$name"
}

# usage: dev_remove NAME
dev_remove() {
	rm -f "/dev/test/$1"
	echo 0 >"/sys/kernel/config/nullb/$1/power"
	rmdir "/sys/kernel/config/nullb/$1"
}

# Size of a device, in 512-byte sectors.
# usage: sectors DEVICE
sectors() { blockdev --getsz "$1"; }

# Device number of a device, as tables print it.
# usage: major_minor DEVICE
major_minor() {
	local numbers
	numbers=$(stat -Lc '%t %T' "$1")
	echo "$((0x${numbers% *})):$((0x${numbers#* }))"
}

# A field, from 1, of the statistics of a disk that dev() made: 1 reads, 5 writes, 16 flushes.
# usage: disk_stat NAME FIELD
disk_stat() { awk -v field="$2" '{ print $field }' "/sys/dev/block/$(major_minor "/dev/test/$1")/stat"; }

# ---- device-mapper ---------------------------------------------------------

# usage: dm_create [-r] NAME TABLE-LINE...
dm_create() {
	local -a options=()
	if [[ $1 == -r ]]; then
		options+=(--readonly)
		shift
	fi
	printf '%s\n' "${@:2}" | dmsetup create "${options[@]}" "$1"
}

# Load a table into the inactive slot.
# usage: dm_load NAME TABLE-LINE...
dm_load() { printf '%s\n' "${@:2}" | dmsetup load "$1"; }

# usage: dm_suspend NAME [--noflush|--nolockfs]...
dm_suspend() { dmsetup suspend "${@:2}" "$1"; }

# usage: dm_resume NAME
dm_resume() { dmsetup resume "$1"; }

# Load a table and switch to it.
# usage: dm_reload NAME TABLE-LINE...
dm_reload() {
	dm_load "$@"
	dm_suspend "$1"
	dm_resume "$1"
}

# usage: dm_remove NAME...
dm_remove() {
	local name
	for name in "$@"; do
		dmsetup remove --retry "$name"
	done
}

# What the target says: without start, length and target's name.
# usage: dm_status NAME
dm_status() {
	local line
	line=$(dmsetup status "$1" | cut -d' ' -f4-)
	echo "${line%"${line##*[! ]}"}"
}

# usage: status_is NAME TEXT
status_is() { [[ $(dm_status "$1") == "$2" ]]; }

# The whole line, as it could be loaded again.
# usage: dm_table NAME
dm_table() { dmsetup table "$1"; }

# usage: dm_message NAME WORD...
dm_message() { dmsetup message "$1" 0 "${@:2}"; }

# usage: dm_linear NAME DEVICE [START_SECTOR [SECTORS]]
dm_linear() { dm_create "$1" "0 ${4:-$(($(sectors "$2") - ${3:-0}))} linear $2 ${3:-0}"; }

# ---- snapshots -------------------------------------------------------------

# /dev/mapper/NAME, through which a device that has snapshots is written.
# usage: snap_origin NAME DEVICE
snap_origin() { dm_create "$1" "0 $(sectors "$2") snapshot-origin $2"; }

# The table line of a snapshot or snapshot-merge.
# usage: snap_table DEVICE COW [P|PO|N [CHUNK_SECTORS [FEATURE...]]]
#        snap_merge_table DEVICE COW [P|PO [CHUNK_SECTORS [FEATURE...]]]
snap_table() { snap_line snapshot "$@"; }
snap_merge_table() { snap_line snapshot-merge "$@"; }
snap_line() {
	local features=("${@:6}")
	echo "0 $(sectors "$2") $1 $2 $3 ${4:-P} ${5:-32}${features[*]:+ ${#features[@]} ${features[*]}}"
}

# usage: snap_create NAME DEVICE COW [P|PO|N [CHUNK_SECTORS [FEATURE...]]]
snap_create() { dm_create "$1" "$(snap_table "${@:2}")"; }

# Forget what a COW device holds, so that the next persistent snapshot on it
# starts empty.
# usage: cow_clear DEVICE
cow_clear() { dd if=/dev/zero of="$1" bs=64k count=1 oflag=direct status=none; }

# A merge is done when only the metadata is left.
# usage: merge_is_done NAME, mostly as wait_for merge_is_done NAME
merge_is_done() {
	local status
	status=$(dm_status "$1")
	[[ $status =~ ^([0-9]+)/[0-9]+\ ([0-9]+)$ && ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" ]]
}

# ---- file systems ----------------------------------------------------------

# Mount DEVICE on $TEST_DIR/NAME.
# usage: mount_on NAME DEVICE [MOUNT-OPTION]...
mount_on() {
	mkdir -p "$TEST_DIR/$1"
	mount "${@:3}" "$2" "$TEST_DIR/$1"
}

# A disk for /var/lib/snapctl, as other machines have it: on 6.1 the guest's root, in
# memory, has no direct I/O.
snapctl_home() {
	dev home 1024
	mkfs.ext4 -q -E nodiscard /dev/test/home
	mkdir -p /var/lib/snapctl
	mount /dev/test/home /var/lib/snapctl
}
