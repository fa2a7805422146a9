# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# timeout: 20
#
# Tests with a known verdict, for harness.host.sh: it is the first word of the
# name, and what the verdict's reason has to contain is in the comment.

test_pass_when_nothing_is_wrong() { check_eq 1 1; }

# no such thing
test_skip_with_a_reason() { skip "no such thing"; }

# the number: got '1', expected '2'
test_fail_when_a_check_fails() { check_eq 1 2 "the number"; }

# false
test_fail_when_a_command_fails() {
	false
	:
}

# should have failed
test_fail_when_a_command_succeeds_that_should_not() { check_fails true; }

# WARNING: CPU
test_fail_when_the_kernel_warns_even_if_allowed() {
	allow_kmsg WARNING
	echo "<4>WARNING: CPU: 0 PID: 1 at here" >/dev/kmsg
}

# Buffer I/O error
test_fail_when_the_kernel_reports_an_error() { echo "<3>Buffer I/O error on dev x" >/dev/kmsg; }

test_pass_when_the_error_is_allowed() {
	allow_kmsg 'Buffer I/O error'
	echo "<3>Buffer I/O error on dev x" >/dev/kmsg
	echo "<3>device-mapper: table: no such thing" >/dev/kmsg
}

# after 1 s there is still no
test_fail_when_waiting_in_vain() { wait_for -t 1 false; }

# time is up
test_fail_when_time_is_up() { sleep 1000; }

test_pass_and_leave_everything_behind() {
	dev a 16
	dev b 16
	snap_origin origin /dev/test/a
	snap_create snap /dev/test/a /dev/test/b
	mke2fs -q /dev/mapper/snap
	mount_on fs /dev/mapper/snap
	truncate -s 10M "$TEST_DIR/fs/image"
	losetup -f "$TEST_DIR/fs/image"
	setsid sleep 1000 >"$TEST_DIR/fs/open" &
	truncate -s 10M "$TEST_DIR/other"
	dm_linear over "$(losetup -f --show "$TEST_DIR/other")"
	dm_suspend origin
}

test_pass_since_nothing_was_left() {
	check_eq "$(dmsetup ls)" "No devices found"
	[[ ! -e /dev/test ]]
	check_fails grep '^/dev/' /proc/mounts
	check_fails pgrep -x sleep
}

# cannot be removed
test_fail_when_a_device_stays_in_use() {
	# By a process that has left the test's group, so that nobody ends it.
	dev a 16
	snap_origin origin /dev/test/a
	bash -c 'echo $$ >/run/cgroup/cgroup.procs; exec sleep 1000 </dev/mapper/origin' &
	wait_for pgrep -x sleep
}

# the machine died
test_fail_when_the_machine_dies() { echo c >/proc/sysrq-trigger; }

test_pass_in_the_next_machine() { :; }
