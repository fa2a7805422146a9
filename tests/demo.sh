#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job, as a transcript: a volume in use is put under snapctl's care
# without unmounting it, a snapshot of it, files changed and deleted until the
# snapshot's space would not do, the snapshot still shows the old ones, a
# merge brings them back. Runs as root where the module is loaded; `make demo`
# runs it in a virtual machine. Stops with an error at the first thing that is
# not as it should be.
set -euo pipefail

VM_REPO=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
TEST_DIR=$(mktemp -d)
export VM_REPO TEST_DIR
# shellcheck source=tests/lib/guest.sh
. "$VM_REPO/tests/lib/guest.sh"
# shellcheck source=tests/lib/snapctl.sh
. "$VM_REPO/tests/lib/snapctl.sh"

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
# Shows a command, then runs it.
run() {
	printf '$ %s\n' "$*"
	eval "$*"
}

say "The module that serves device-mapper's snapshot targets is ours"
run "cat /sys/module/dm_snapshot/version"

say "A disk with a volume on it, in use: a file system, mounted, with data"
dev disk 512
dm_linear data /dev/test/disk
run "mkfs.ext4 -q /dev/mapper/data"
mkdir -p /mnt/data /mnt/snap
run "mount /dev/mapper/data /mnt/data"
run "cp -r /usr/share/common-licenses /mnt/data/papers"
run "dd if=/dev/urandom of=/mnt/data/archive bs=1M count=160 conv=fsync status=none"
sums_of /mnt/data >"$TEST_DIR/before"
echo "$(wc -l <"$TEST_DIR/before") files, checksums kept"

say "The daemon; space for snapshots is files on another file system"
snapctl_start 1024
run "snapctl doctor"

say "The volume comes under snapctl's care, and stays mounted"
run "snapctl origin add data /dev/mapper/data"

say "A snapshot, with far too little space for what is going to happen"
run "snapctl create data monday --size 32M --dry-run"
run "snapctl create data monday --size 32M"

say "Life goes on: files are overwritten, deleted and added"
run "dd if=/dev/urandom of=/mnt/data/archive bs=1M count=128 conv=notrunc,fsync status=none"
run "rm /mnt/data/papers/GPL-2 /mnt/data/papers/LGPL-2.1"
run "echo 'all your base' > /mnt/data/papers/Apache-2.0; sync"
sums_of /mnt/data >"$TEST_DIR/after"
cmp -s "$TEST_DIR/before" "$TEST_DIR/after" && fail "the files should differ"
run "snapctl list                              # extended in time, again and again"
check_eq "$(field monday health)" active
(($(field monday total_bytes) > 128 << 20)) || fail "the snapshot was not extended"

say "The snapshot shows every file as it was"
run "mount -o ro /dev/mapper/monday /mnt/snap"
sums_of /mnt/snap >"$TEST_DIR/snapshot"
cmp "$TEST_DIR/before" "$TEST_DIR/snapshot"
echo "all $(wc -l <"$TEST_DIR/snapshot") checksums are those from before"
run "umount /mnt/snap"

say "Rolling back: the volume shows the old files at once, while they are merged"
run "umount /mnt/data"
run "snapctl merge monday --background --rate 8M"
run "mount /dev/mapper/data /mnt/data"
sums_of /mnt/data >"$TEST_DIR/merging"
cmp "$TEST_DIR/before" "$TEST_DIR/merging"
run "snapctl status"
run "snapctl merge monday --rate 0             # the rest without a limit; shows how far it is"

say "The volume is given back as it came, still mounted"
run "snapctl origin remove data"
run "dmsetup table data"
sums_of /mnt/data >"$TEST_DIR/merged"
cmp "$TEST_DIR/before" "$TEST_DIR/merged"
run "umount /mnt/data"
run "fsck.ext4 -fn /dev/mapper/data 2>/dev/null | tail -1"
run "ls $TEST_DIR/space                        # nothing is left behind"
kill "$daemon"
wait "$daemon"
say "Done: $(wc -l <"$TEST_DIR/merged") files, all checksums as before the changes"
