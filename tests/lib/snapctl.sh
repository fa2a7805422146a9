# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests of snapctl in the guest have in common: a daemon of the test's own,
# a file system for the snapshots' space, and words for what is asked most.

export SNAPCTL_SOCKET=$TEST_DIR/socket
snapctl() { "$VM_REPO/build/userspace/snapctl" "$@"; }

# Makes a file system for COW files at $TEST_DIR/space, on the disk /dev/test/space if
# there is one already, and starts the daemon.
# The lines are added to its configuration.
# usage: snapctl_start [SPACE_MIB [CONFIGURATION-LINE]...]
snapctl_start() {
	[[ -b /dev/test/space ]] || dev space "${1:-2048}"
	mkfs.ext4 -q -E nodiscard /dev/test/space
	mount_on space /dev/test/space
	{
		cat <<END
[daemon]
state_directory = "$TEST_DIR/state"
socket = "$SNAPCTL_SOCKET"
[space]
cow_directory = "$TEST_DIR/space"
END
		printf '%s\n' "${@:2}"
	} >"$TEST_DIR/snapctl.toml"
	snapctl_daemon
}

# Starts the daemon, or starts it again.
snapctl_daemon() {
	"$VM_REPO/build/userspace/snapctl" daemon --config "$TEST_DIR/snapctl.toml" 2>>"$TEST_DIR/daemon.log" &
	daemon=$!
	wait_for snapctl list
}

snapctl_kill() {
	# What the kernel says when a killed process is about to make a device-mapper device.
	allow_kmsg 'workqueue: Failed to create a rescuer kthread for wq "[^"]+": -EINTR'
	kill -KILL "$daemon"
	wait "$daemon" || true
}

# A field of `show`, as JSON has it.
# usage: field NAME KEY
field() {
	snapctl show "$1" --json | python3 -c 'import json, sys
shown = json.load(sys.stdin)
print((shown.get("snapshot") or shown.get("origin"))[sys.argv[1]])' "$2"
}

# usage: health_is SNAPSHOT WORD, mostly as wait_for health_is ...
health_is() { [[ $(field "$1" health) == "$2" ]]; }

# No device is suspended, and no table waits to be used.
check_nothing_half_done() {
	local line
	while read -r line; do
		[[ $line == "No devices found" ]] ||
			check_match "$line" '^[^:]+:L--w|^[^:]+:L--r' "a device is suspended or has an inactive table"
	done < <(dmsetup info -c --noheadings -o name,attr)
}
