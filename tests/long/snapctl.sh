# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the daemon has to endure, in large: a writer at full speed, a thousand rounds, a
# kill at every call of every change, nonsense at the socket, many snapshots. In the environment:
# ROUNDS (1000), STRIDE (1: a kill at every call; 5: at every fifth).
# timeout: 3600
# memory: 6144

# shellcheck source=tests/lib/snapctl_endurance.sh
. "$VM_REPO/tests/lib/snapctl_endurance.sh"

test_a_snapshot_of_64_mib_that_needs_2_gib_stays_valid_ten_times() {
	snapctl_start 2560
	dev vol 2048
	snapctl origin add vol /dev/test/vol
	local i
	for i in {1..10}; do
		outlives_the_writer 2048 "$i"
	done
}

test_a_thousand_rounds_leave_nothing() {
	snapctl_start 256
	rounds_leave_nothing "${ROUNDS:-1000}"
}

test_two_hundred_snapshots_over_twenty_origins() {
	snapctl_start 2048
	many 20 10
}

test_nonsense_at_the_socket_changes_nothing() {
	local seed
	snapctl_start 256
	for seed in 1 2 3; do
		fuzz_the_socket 3000 $seed
		snapctl origin remove vol
		dev_remove vol
	done
}

test_create_killed_at_every_call_is_made_or_not() {
	snapctl_start 256
	small_origin
	killed_at_every_call no_snapshot create_snapshot snapshot_if_made "${STRIDE:-1}"
}

test_a_set_killed_at_every_call_is_made_or_not() {
	snapctl_start 256
	small_origin
	dev vol2 16
	snapctl origin add vol2 /dev/test/vol2
	killed_at_every_call no_set create_set set_if_made "${STRIDE:-1}"
}

test_remove_killed_at_every_call_is_made_or_not() {
	snapctl_start 256
	small_origin
	killed_at_every_call a_snapshot remove_snapshot snapshot_if_not_made "${STRIDE:-1}"
}

test_rename_killed_at_every_call_is_made_or_not() {
	snapctl_start 256
	small_origin
	killed_at_every_call not_renamed rename_snapshot renamed_if_made "${STRIDE:-1}"
}

test_deactivate_and_activate_killed_at_every_call_are_made_or_not() {
	snapctl_start 256
	small_origin
	killed_at_every_call activated deactivate_snapshot snapshot_if_not_made "${STRIDE:-1}"
	killed_at_every_call deactivated activate_snapshot snapshot_if_made "${STRIDE:-1}"
}

test_extend_killed_at_every_call_is_made_or_made_good() {
	snapctl_start 256
	small_origin
	killed_at_every_call a_fresh_snapshot extend_snapshot extended_in_the_end "${STRIDE:-1}"
}

test_merge_killed_at_every_call_is_made_or_not() {
	snapctl_start 256
	small_origin
	killed_at_every_call a_changed_snapshot merge_snapshot merged_if_made "${STRIDE:-1}"
}

test_taking_over_and_giving_back_killed_at_every_call_are_made_or_not() {
	snapctl_start 256
	volume_in_use
	killed_at_every_call not_taken_over take_over volume_is_right "${STRIDE:-1}"
	killed_at_every_call taken_over give_back volume_is_right "${STRIDE:-1}"
}

test_adding_and_removing_an_origin_killed_at_every_call_are_made_or_not() {
	snapctl_start 256
	small_origin
	killed_at_every_call no_origin add_origin disk_is_right "${STRIDE:-1}"
	killed_at_every_call an_origin remove_origin disk_is_right "${STRIDE:-1}"
}

test_activation_at_boot_killed_at_every_call_is_made_or_not() {
	snapctl_start 256
	small_origin
	killed_at_every_call rebooted activate_all active_if_made "${STRIDE:-1}"
}
