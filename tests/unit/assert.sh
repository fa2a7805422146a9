# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Sourced by *_test.sh. A case is a function whose name starts with "it_"; it
# runs in a folder of its own and in a shell of its own; a failed assertion ends it.

expect() { # CODE TEXT COMMAND...: the exit code, and a text that the output holds ("" any)
	local code=$1 text=$2 got output
	shift 2
	output=$("$@" 2>&1)
	got=$?
	if [[ $got -ne $code ]]; then
		printf '    %s\n    exit code %s instead of %s; it said:\n%s\n' "$*" "$got" "$code" "$output"
		exit 1
	fi
	if [[ $output != *"$text"* ]]; then
		printf '    %s\n    does not say "%s" but:\n%s\n' "$*" "$text" "$output"
		exit 1
	fi
}

same() { # WANT GOT
	[[ $1 == "$2" ]] && return
	printf '    expected: %s\n    found:    %s\n' "$1" "$2"
	exit 1
}

break_byte() { # FILE OFFSET: another value than the one there
	local old
	old=$(od -An -tu1 -j"$2" -N1 "$1")
	printf '%b' "\\x$(printf '%02x' $(((old + 1) % 256)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

run_cases() {
	local case folder passed=0 failed=0
	for case in $(declare -F | sed -n 's/^declare -f \(it_.*\)/\1/p'); do
		folder=$(mktemp -d)
		if output=$(cd "$folder" && "$case" 2>&1); then
			passed=$((passed + 1))
			echo "ok: ${case#it_}"
		else
			failed=$((failed + 1))
			printf 'FAILED: %s\n%s\n' "${case#it_}" "$output"
		fi
		rm -rf "$folder"
	done
	echo "$passed passed, $failed failed"
	[[ $failed -eq 0 ]]
}
