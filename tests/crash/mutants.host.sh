# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The replay of logs proves something only if it finds damage where there is
# some: modules that break one rule of the write order each (tests/crash/mutant)
# must be caught.
#
# timeout: 300

test_every_mutant_that_breaks_the_write_order_is_caught() {
	local name module said nr=0
	[[ $VM_MODULE == ours ]] || skip "there are mutants of our module only"
	tests/crash/mutant list >"$TEST_DIR/mutants"
	while read -r name _; do
		module=$(tests/crash/mutant build "$VM_KERNEL" "$name")
		nr=$((nr + 1))
	done <"$TEST_DIR/mutants"
	((nr > 0)) || fail "no mutant was built"

	mkdir -p "$TEST_DIR/vm"
	cp "$TEST_DIR/mutants" "$TEST_DIR/vm/"
	vm -m none -t 240 -- bash -c "tests/crash/drive-mutants '${module%/*}' <'$TEST_DIR/vm/mutants'" >"$TEST_DIR/said" ||
		fail "the machine says: $(<"$TEST_DIR/said")"
	said=$(<"$TEST_DIR/said")
	echo "$said"
	[[ $said != *survived* ]] || fail "not caught: $(grep survived "$TEST_DIR/said")"
	check_eq "$(grep -c '^caught ' "$TEST_DIR/said")" "$nr" "mutants caught:"
	# Caught by a comparison, not by an accident on the way.
	check_eq "$(grep -c '^sweep: .*faults=[1-9]' "$TEST_DIR/said")" "$nr" "sweeps that found damage:"
}
