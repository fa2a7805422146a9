# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Words that tests in the guest and tests on the host have in common. A test
# is a function whose name starts with test_; it runs in a process of its own
# under `set -euo pipefail`, with $TEST_DIR as a folder of its own, so that any
# command that fails is a failure of the test.

# A test that cannot run here says why and ends.
# usage: skip REASON...
skip() {
	echo "$*" >"$TEST_DIR/skip"
	exit 77
}

# usage: fail MESSAGE...
fail() {
	{ set +x; } 2>/dev/null
	local i
	echo "FAILED: $*"
	for ((i = 1; i < ${#FUNCNAME[@]} - 1; i++)); do
		echo "    in ${FUNCNAME[i]}, ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}"
	done
	exit 1
} >&2

# usage: check_eq GOT EXPECTED [MESSAGE...]
check_eq() {
	[[ $1 == "$2" ]] || fail "${*:3}${3:+: }got '$1', expected '$2'"
}

# usage: check_ne GOT UNEXPECTED [MESSAGE...]
check_ne() {
	[[ $1 != "$2" ]] || fail "${*:3}${3:+: }got '$1', expected anything else"
}

# usage: check_match GOT EXTENDED-REGEX [MESSAGE...]
check_match() {
	[[ $1 =~ $2 ]] || fail "${*:3}${3:+: }got '$1', expected a match for '$2'"
}

# The command must fail, and what it prints (or, in the guest, what the kernel
# logs meanwhile) must contain the text.
# usage: check_fails COMMAND [ARGUMENT]... [--with TEXT]
check_fails() {
	local text='' output mark='' status=0
	local -a command=("$@")
	if (($# > 2)) && [[ ${command[-2]} == --with ]]; then
		text=${command[-1]}
		unset 'command[-1]' 'command[-1]'
	fi
	mark="check_fails ${EPOCHREALTIME}"
	[[ -z ${VM_OUT-} ]] || echo "$mark" >/dev/kmsg
	output=$("${command[@]}" 2>&1) || status=$?
	((status != 0)) || fail "'${command[*]}' succeeded, it should have failed"
	[[ -n $text ]] || return 0
	[[ -z ${VM_OUT-} ]] || output+=$'\n'$(dmesg | sed "1,/$mark/d")
	[[ $output == *"$text"* ]] ||
		fail "'${command[*]}' failed as it should, but nothing said '$text', only:"$'\n'"$output"
}

# Poll until the command succeeds; a failure when time is up. The command may
# be a function.
# usage: wait_for [-t SECONDS] COMMAND [ARGUMENT]...
wait_for() {
	# Its trace would only say how often it looked.
	{ local -; set +x; } 2>/dev/null
	local limit=30 deadline
	if [[ $1 == -t ]]; then
		limit=$2
		shift 2
	fi
	# A slower kernel is given more time.
	deadline=$((SECONDS + limit * ${TEST_SLOWNESS:-1}))
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || fail "after $limit s there is still no '$*'"
		sleep 0.1
	done
}

# Of all files in a folder.
sums_of() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum); }
