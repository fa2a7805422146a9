# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The vocabulary of tests that run on the host and start virtual machines
# themselves, to pull the plug. $TEST_DIR is the test's folder; a machine's
# output share is $TEST_DIR/vm unless -o says otherwise.

# shellcheck source=tests/lib/check.sh
. "${BASH_SOURCE[0]%/*}/check.sh"

# Run a command in a machine with the kernel and module under test.
# usage: vm [OPTION-OF-RUN]... -- COMMAND [ARGUMENT]...
vm() { tests/vm/run -k "$VM_KERNEL" -m "$VM_MODULE" -o "$TEST_DIR/vm" "$@"; }

# Start a machine in the background. Sets vm_job.
# usage: vm_start [OPTION-OF-RUN]... -- COMMAND [ARGUMENT]...
vm_start() {
	rm -f "$TEST_DIR/qemu.pid"
	vm -p "$TEST_DIR/qemu.pid" "$@" &
	vm_job=$!
}

# Pull the plug of the machine that vm_start started.
# usage: vm_kill
vm_kill() {
	wait_for test -s "$TEST_DIR/qemu.pid"
	kill -KILL "$(<"$TEST_DIR/qemu.pid")"
	wait "$vm_job" || true
}

# An empty raw disk, sparse, for -d.
# usage: vm_disk NAME SIZE_MIB, prints its path
vm_disk() {
	truncate -s "$2M" "$TEST_DIR/$1"
	echo "$TEST_DIR/$1"
}
