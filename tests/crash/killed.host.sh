# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The plug is pulled: QEMU is killed under load, the disks are kept, and the
# next machine must find all that the killed one had been told was written.
#
# timeout: 240

make_disks() {
	disks=(-d "$(vm_disk origin 8)" -d "$(vm_disk old 12)" -d "$(vm_disk new 12)")
}

# Another machine may have to end first.
wait_for_machine() { wait_for -t 600 test -s "$TEST_DIR/qemu.pid"; }

# usage: has_bytes FILE BYTES
has_bytes() { [[ -e $1 ]] && (($(stat -c %s "$1") > $2)); }

# Pull the plug when the journal has grown by as many records of 32 bytes.
# usage: kill_after RECORDS JOURNAL
kill_after() {
	local journal=$TEST_DIR/vm/$2 start
	wait_for_machine
	wait_for -t 60 has_bytes "$journal" 0
	start=$(stat -c %s "$journal")
	wait_for -t 60 has_bytes "$journal" $((start + $1 * 32))
	vm_kill
}

# The stores as the kill left them.
check_stores() {
	local disk
	for disk in "$@"; do
		cowstore check --origin-sectors 16384 "$TEST_DIR/$disk" || fail "the store on $disk is damaged"
	done
}

test_a_machine_killed_under_load_twice_loses_nothing() {
	local -a disks
	make_disks
	vm_start "${disks[@]}" -- tests/crash/survivor begin first
	kill_after 700 first
	check_stores old new
	vm_start "${disks[@]}" -- tests/crash/survivor go_on first second
	kill_after 500 second
	check_stores old new
	vm "${disks[@]}" -- tests/crash/survivor end second
}

test_a_machine_killed_while_merging_goes_on_merging() {
	local -a disks
	make_disks
	vm_start "${disks[@]}" -- tests/crash/survivor begin_merge journal
	wait_for_machine
	wait_for -t 90 test -s "$TEST_DIR/vm/merging"
	vm_kill
	check_stores old new
	vm "${disks[@]}" -- tests/crash/survivor end_merge journal
}
