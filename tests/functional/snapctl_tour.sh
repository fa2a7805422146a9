# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The tour of the README, as it is typed there.
# timeout: 240

test_the_tour_of_the_readme_works_as_typed() {
	cd "$VM_REPO" || fail "no repository"
	# mkfs tries what a loop device on this root cannot do.
	allow_kmsg 'operation not supported error, dev loop[0-9]+, sector [0-9]+ op 0x9:\(WRITE_ZEROES\)'
	snapctl_home
	mapfile -t lines < <(awk '/^## /{ tour = /A tour/ } tour && /^    / { sub(/^    /, ""); print; printed = 1; next }
		printed && !/^    / { exit }' README.md)
	((${#lines[@]} >= 9)) || fail "there is no tour in the README"
	for line in "${lines[@]}"; do
		eval "$line"
		# Nobody types as fast as this.
		[[ $line != *"snapctl daemon &"* ]] || wait_for snapctl status
		[[ $line != *"snapctl status"* ]] || snapctl list --json | grep '"health": "active"' >/dev/null
	done
	[[ $line == *"origin remove data" ]] || fail "the tour does not end as it did"
	check_eq "$(snapctl list --names)" ""
	check_eq "$(ls /var/lib/snapctl/cow)" ""
}
