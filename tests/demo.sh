#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job, as a transcript: a file system on a volume in use, a snapshot of
# it, files changed and deleted, the snapshot still shows the old ones, a merge
# brings them back. Runs as root where the module is loaded; `make demo` runs
# it in a virtual machine. Stops with an error at the first thing that is not as
# it should be.
set -euo pipefail

TEST_DIR=$(mktemp -d)
export TEST_DIR
# shellcheck source=tests/lib/guest.sh
. "${BASH_SOURCE[0]%/*}/lib/guest.sh"

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
# Shows a command, then runs it.
run() {
	printf '$ %s\n' "$*"
	eval "$*"
}
sums() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); }

say "The module that serves device-mapper's snapshot targets is ours"
run "cat /sys/module/dm_snapshot/version"
run "dmsetup targets | grep snapshot"

say "Two disks: one carries the volume, one will keep the snapshot's data"
dev volume 256
dev cow 128
size=$(sectors /dev/test/volume)
run "lsblk -dno NAME,SIZE /dev/test/volume /dev/test/cow"

say "The volume is used through snapshot-origin; on it, a file system with data"
run "dmsetup create vol --table '0 $size snapshot-origin /dev/test/volume'"
run "mkfs.ext4 -q /dev/mapper/vol"
mkdir -p /mnt/vol /mnt/snap
run "mount /dev/mapper/vol /mnt/vol"
run "cp -r /usr/share/common-licenses /mnt/vol/papers"
run "dd if=/dev/urandom of=/mnt/vol/archive bs=1M count=24 status=none"
sums /mnt/vol >"$TEST_DIR/before"
echo "$(wc -l <"$TEST_DIR/before") files, checksums kept"

say "A snapshot, taken while the file system is mounted: 4 KiB chunks, persistent"
run "dd if=/dev/zero of=/dev/test/cow bs=4k count=1 status=none   # a fresh store"
run "dmsetup suspend vol                                        # freezes the file system"
run "dmsetup create snap --table '0 $size snapshot /dev/test/volume /dev/test/cow P 8'"
run "dmsetup resume vol"
run "dmsetup status snap                                        # used/total metadata, in sectors"

say "Life goes on: files are changed, deleted and added"
run "dd if=/dev/urandom of=/mnt/vol/archive bs=1M count=8 seek=4 conv=notrunc,fsync status=none"
run "rm /mnt/vol/papers/GPL-2 /mnt/vol/papers/LGPL-2.1"
run "echo 'all your base' > /mnt/vol/papers/Apache-2.0"
run "dd if=/dev/urandom of=/mnt/vol/new bs=1M count=4 status=none; sync"
sums /mnt/vol >"$TEST_DIR/after"
echo "$(diff "$TEST_DIR/before" "$TEST_DIR/after" | grep -c '^[<>]') lines of the checksums differ"
run "dmsetup status snap"
cmp -s "$TEST_DIR/before" "$TEST_DIR/after" && fail "the files should differ"

say "The snapshot shows every file as it was"
run "mount -o ro /dev/mapper/snap /mnt/snap"
sums /mnt/snap >"$TEST_DIR/snapshot"
run "ls /mnt/snap /mnt/snap/papers | head -20"
cmp "$TEST_DIR/before" "$TEST_DIR/snapshot"
echo "all $(wc -l <"$TEST_DIR/snapshot") checksums are those from before"
run "umount /mnt/snap"

say "Rolling back: the snapshot is merged into the volume"
run "umount /mnt/vol"
run "dmsetup suspend vol"
run "dmsetup suspend snap"
run "dmsetup load vol --table '0 $size snapshot-merge /dev/test/volume /dev/test/cow P 8'"
run "dmsetup resume vol                                         # the merge runs; the volume can be used"
run "dmsetup remove snap"
run "mount /dev/mapper/vol /mnt/vol"
sums /mnt/vol >"$TEST_DIR/merging"
cmp "$TEST_DIR/before" "$TEST_DIR/merging"
echo "already now the volume shows the old files"
wait_for -t 60 merge_is_done vol
run "dmsetup status vol                                         # used = metadata: the merge is complete"

say "The volume on its own, without any snapshot target"
run "umount /mnt/vol; dmsetup remove vol"
run "mount -o ro /dev/test/volume /mnt/vol"
sums /mnt/vol >"$TEST_DIR/merged"
cmp "$TEST_DIR/before" "$TEST_DIR/merged"
run "umount /mnt/vol"
run "fsck.ext4 -fn /dev/test/volume 2>/dev/null | tail -1"
run "rmmod dm-snapshot"
say "Done: $(wc -l <"$TEST_DIR/merged") files, all checksums as before the changes"
