# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A machine that boots systemd from a disk into which `make install` put the
# module and snapctl: the units, the sandbox, udev, and what comes back after a
# reboot, a clean one or none. What happens in the machine is in in-guest; a
# machine ends with each part of it.
#
# timeout: 900

# Makes the system's disk and the volume's.
make_machine() {
	[[ $VM_KERNEL != debug ]] || skip "the debug kernel has not all that systemd needs"
	[[ $VM_MODULE == ours ]] || skip "what make install installs is ours"
	tests/vm/system-image "$VM_KERNEL" "$TEST_DIR/system"
	machine=(-r "$TEST_DIR/system" -d "$(vm_disk volume 256),cache=unsafe" -t 600 -M 1536)
}

# usage: boot PART
boot() {
	vm "${machine[@]}" -- tests/systemd/in-guest "$1"
	check_console
}

check_console() {
	! grep -anEf <(grep -v '^#' tests/lib/kmsg-bugs) "$TEST_DIR/vm/console.log" || fail "the kernel has a bug"
}

# The file system was unmounted, not abandoned.
# usage: check_left_clean DISK
check_left_clean() {
	local head
	head=$(dumpe2fs -h "$TEST_DIR/$1" 2>/dev/null)
	check_match "$head" 'Filesystem state: +clean'
	[[ $head != *needs_recovery* ]] || fail "$1 was not unmounted before the machine went down"
}

test_volumes_snapshots_and_merges_are_back_after_reboots_and_a_kill() {
	make_machine
	boot first_boot
	check_left_clean system
	check_left_clean volume
	boot back_again
	check_left_clean system
	vm_start "${machine[@]}" -- tests/systemd/in-guest merge_went_on
	wait_for -t 600 test -e "$TEST_DIR/vm/merging"
	vm_kill
	check_console
	boot merge_survived_the_kill
	check_left_clean volume
}

test_the_service_is_what_its_units_say() {
	make_machine
	boot service
}
