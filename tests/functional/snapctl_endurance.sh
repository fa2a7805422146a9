# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the daemon has to endure, in small; tests/long has it in large.
# timeout: 240

# shellcheck source=tests/lib/snapctl_endurance.sh
. "$VM_REPO/tests/lib/snapctl_endurance.sh"

# selection: debug
test_rounds_of_create_write_extend_remove_leave_nothing() {
	snapctl_start 256
	rounds_leave_nothing 5
}

test_a_change_killed_at_a_few_calls_is_whole_or_not_there() {
	snapctl_start 256
	small_origin
	killed_at_every_call no_snapshot create_snapshot snapshot_if_made 17
}

test_nonsense_at_the_socket_changes_nothing() {
	snapctl_start 256
	fuzz_the_socket 150 1
}

test_six_snapshots_over_three_origins() {
	snapctl_start 256
	many 3 2
}
