# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# timeout: 600
#
# Of the harness itself: a failure that it does not see is worse than none.

test_the_runner_sees_every_kind_of_failure() {
	local verdict name reason expected wanted comment
	# Its own verdict is checked, not added up.
	unset SNAPCTL_RESULTS
	check_fails tests/run -k "$VM_KERNEL" -m intree -o "$TEST_DIR/out" tests/harness/fixture.sh
	cat "$TEST_DIR/out/results"
	while IFS=$'\t' read -r verdict _ name _ reason; do
		expected=${name#test_}
		check_eq "$verdict" "${expected%%_*}" "$name ($reason)"
		# The comment above the test.
		comment=$(grep -B1 "^$name()" tests/harness/fixture.sh | head -n 1)
		wanted=${comment#\# }
		[[ $comment != '# '* || $reason == *"$wanted"* ]] || fail "$name: '$reason' does not say '$wanted'"
	done <"$TEST_DIR/out/results"
	check_eq "$(wc -l <"$TEST_DIR/out/results")" "$(grep -c '^test_' tests/harness/fixture.sh)" "tests that were run"
}
