#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# shellcheck disable=SC2317 # functions that wait_for and the completion call
#
# Every verb, from the command line through the socket to the simulated engine
# and back, without root. OUT is the folder of the build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
snapctl=${OUT:?}/snapctl
TEST_DIR=$(mktemp -d)
export TEST_DIR SNAPCTL_SOCKET=$TEST_DIR/socket
# shellcheck source=tests/lib/check.sh
. "$here/../lib/check.sh"

daemon=''
cleanup() {
	[[ -z $daemon ]] || kill "$daemon" 2>/dev/null || true
	rm -rf "$TEST_DIR"
}
trap cleanup EXIT

start() {
	rm -f "$SNAPCTL_SOCKET"
	"$snapctl" daemon --simulate --config /dev/null --socket "$SNAPCTL_SOCKET" 2>"$TEST_DIR/log" &
	daemon=$!
	wait_for test -S "$SNAPCTL_SOCKET"
	wait_for "$snapctl" status
}

# Runs snapctl; its output and exit code are in $output and $code.
ask() {
	code=0
	output=$("$snapctl" "$@" 2>"$TEST_DIR/errors") || code=$?
	errors=$(<"$TEST_DIR/errors")
}
# usage: expect CODE VERB...
expect() {
	ask "${@:2}"
	check_eq "$code" "$1" "snapctl ${*:2}: $output $errors"
}
json() { python3 -c 'import json, sys; print(eval(sys.argv[1], {"j": json.load(sys.stdin)}))' "$1" <<<"$output"; }

every_verb_works() {
	expect 0 status
	check_match "$output" "on simulated: 0 origins, 0 snapshots"
	expect 0 origin add data /dev/sda --dry-run
	check_match "$output" "^1\. "
	expect 0 origin list
	check_eq "$output" ""
	expect 0 origin add data /dev/sda
	expect 0 origin add home /dev/mapper/vg-home
	check_match "$output" "stood still"
	expect 0 origin list --names
	check_eq "$output" $'data\nhome'

	expect 0 create data monday --size 20% --dry-run --json
	check_eq "$(json 'len(j["plan"]) > 2 and j["snapctl"]["format"]')" 1
	expect 0 list --names
	check_eq "$output" ""
	expect 0 create data monday --size 64M --chunk 16k --on-full overflow
	expect 0 create --set tue data home --json
	check_eq "$(json 'j["outcome"]["changed"]')" True
	expect 0 list --names
	check_eq "$output" $'data-tue\nhome-tue\nmonday'
	expect 0 list home --json
	check_eq "$(json '[s["name"] for s in j["snapshots"]]')" "['home-tue']"
	expect 0 show monday --json
	check_eq "$(json '(j["snapshot"]["chunk_bytes"], j["snapshot"]["on_full"], j["snapshot"]["total_bytes"])')" \
		"(16384, 'overflow', 67108864)"
	expect 0 show data
	check_match "$output" "snapshots: +data-tue monday"

	expect 0 extend monday 64M
	expect 0 show monday --json
	check_eq "$(json 'j["snapshot"]["total_bytes"]')" 134217728
	expect 0 rename monday sunday
	expect 0 deactivate sunday
	expect 0 show sunday --json
	check_eq "$(json 'j["snapshot"]["health"]')" inactive
	expect 0 activate sunday
	expect 0 activate --all --dry-run
	check_match "$output" "nothing to do"
	expect 0 activate --all
	expect 0 table data
	check_match "$output" "snapshot-origin"
	expect 0 table data --json
	expect 0 metrics
	check_eq "${output##*$'\n'}" "# EOF"
	expect 0 doctor
	expect 0 doctor --json
	check_match "$(json 'j["findings"][0]["level"]')" "good"
	expect 0 status --json
	check_eq "$(json 'len(j["origins"]), len(j["snapshots"])')" "(2, 3)"

	expect 0 merge home-tue --dry-run
	# The simulated volume is in use all the time.
	expect 0 merge home-tue --background
	check_match "$output" "home is in use: the merge begins when it is not"
	expect 0 merge home-tue --pause
	expect 0 remove home-tue
	expect 0 merge data-tue
	check_eq "$output" "merged data-tue"
	expect 0 rollback sunday --background
	wait_for gone sunday
	expect 0 origin remove data
	expect 0 origin remove home
	# A device that keeps its name may be called by it.
	expect 0 origin add vg-home /dev/mapper/vg-home
	expect 0 create vg-home monday
	expect 0 remove monday
	expect 0 origin remove vg-home
	expect 0 status
	check_match "$output" "0 origins, 0 snapshots"
}
gone() { ! "$snapctl" list --names | grep -x "$1" >/dev/null; }

refusals_have_their_exit_code_and_change_nothing() {
	expect 0 origin add data /dev/sda
	expect 2
	expect 2 dance
	expect 2 create data
	expect 2 create data x y
	expect 2 create data x --size lots
	expect 2 create data x --chunk 10%
	expect 2 create data x --on-full explode
	expect 2 create data x --vg vg --dir /tmp
	expect 2 create --set s data --cow /dev/sdb
	expect 2 create data x --cow /dev/sdb --size 1G
	expect 2 extend x
	expect 2 activate
	expect 2 merge x --pause --resume
	expect 1 create nosuch x
	check_match "$errors" "no such origin"
	check_eq "$output" ""
	expect 1 remove nosuch
	expect 1 show nosuch
	expect 1 list nosuch
	expect 1 table nosuch
	expect 1 extend nosuch 5%
	expect 1 origin add data /dev/sdb
	expect 1 origin add other /dev/nosuch
	expect 1 origin add vg-home /dev/sdb
	expect 1 merge nosuch
	expect 1 merge nosuch --pause
	expect 0 list --names
	check_eq "$output" ""
	expect 0 origin remove data
}

watch_prints_events_as_they_happen() {
	"$snapctl" watch other --json >"$TEST_DIR/others" &
	local other=$!
	"$snapctl" watch data --json --count 2 >"$TEST_DIR/events" &
	local watcher=$!
	# A watcher is one of the daemon's connections; it is there when its first event is.
	made() {
		"$snapctl" origin add data /dev/sda >/dev/null 2>&1 || true
		"$snapctl" create data monday >/dev/null && "$snapctl" remove monday >/dev/null
		[[ -s $TEST_DIR/events ]]
	}
	wait_for made
	wait "$watcher"
	output=$(head -n 1 "$TEST_DIR/events")
	check_eq "$(json 'j["event"]["device"]')" monday
	check_eq "$(json 'j["event"]["origin"]')" data
	check_match "$(json 'j["event"]["kind"]')" "created|removed"
	kill "$other"
	[[ ! -s $TEST_DIR/others ]] || fail "an event of another origin was printed"
	expect 0 origin remove data
}

# The keys of the JSON in $output, of all depths, one a line.
keys() {
	python3 -c '
import json, sys
def walk(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            print(key)
            walk(inner)
    elif isinstance(value, list):
        for inner in value:
            walk(inner)
walk(json.load(sys.stdin))' <<<"$output" | sort -u
}

# usage: check_documented WHAT, of each line of stdin
check_documented() {
	local word
	while read -r word; do
		grep -F "\`$word\`" "$here/../../docs/output.md" >/dev/null || fail "docs/output.md does not tell of $word of $1"
	done
}

output_is_what_the_docs_say() {
	local command
	expect 0 origin add data /dev/sda --json
	keys | check_documented "origin add"
	for command in "create data monday" "create data tuesday --dry-run" status "show data" "show monday" list doctor "table data" metrics help; do
		# shellcheck disable=SC2086 # words
		expect 0 $command --json
		keys | check_documented "$command"
	done
	"$snapctl" watch --count 1 --json >"$TEST_DIR/event" &
	local watcher=$!
	made() { "$snapctl" create data wednesday >/dev/null && "$snapctl" remove wednesday >/dev/null; [[ -s $TEST_DIR/event ]]; }
	wait_for made
	wait "$watcher"
	output=$(<"$TEST_DIR/event")
	keys | check_documented watch
	expect 0 merge monday --json
	keys | check_documented merge
	expect 0 metrics
	sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' <<<"$output" | check_documented metrics
	expect 0 origin remove data
}

help_agrees_with_the_verbs() {
	local verb words
	expect 0 help --json
	while read -r verb; do
		read -ra words <<<"$verb"
		expect 0 help "${words[@]}"
		check_match "$output" "^usage: snapctl $verb( |$)"
		local text=$output
		expect 0 "${words[@]}" --help
		check_eq "$output" "$text"
		expect 0 help "${words[@]}" --as man
		check_match "$output" "\.SH SYNOPSIS"
	done < <(json '"\n".join(v["name"] for v in j["verbs"])')
	expect 0 --version
	check_match "$output" "^snapctl [0-9]"
}

completion_offers_verbs_options_and_names() {
	expect 0 origin add data /dev/sda
	"$snapctl" help --as bash >"$TEST_DIR/completion"
	bash -n "$TEST_DIR/completion"
	[[ -z $(type -P zsh) ]] || { "$snapctl" help --as zsh >"$TEST_DIR/zsh" && zsh -n "$TEST_DIR/zsh"; }
	# usage: complete_with WORD...; the last is the one being completed
	complete_with() (
		snapctl() { "$OUT/snapctl" "$@"; }
		compopt() { :; }
		# shellcheck source=/dev/null
		. "$TEST_DIR/completion"
		# shellcheck disable=SC2034 # read by the completion
		COMP_WORDS=(snapctl "$@") COMP_CWORD=$#
		_snapctl
		echo "${COMPREPLY[*]}"
	)
	check_eq "$(complete_with cr)" "create"
	check_eq "$(complete_with origin re)" "remove"
	check_eq "$(complete_with create --on)" "--on-full"
	check_eq "$(complete_with create --on-full ov)" "overflow"
	check_eq "$(complete_with origin remove d)" "data"
	check_eq "$(complete_with create --size 5G da)" "data"
	expect 0 origin remove data
}

an_unreachable_daemon_is_exit_code_4() {
	kill "$daemon"
	wait "$daemon" || fail "SIGTERM does not end the daemon cleanly: $(<"$TEST_DIR/log")"
	daemon=''
	expect 4 status
	check_match "$errors" "reach the daemon"
	expect 4 doctor
	check_match "$output" "PROBLEM"
	expect 4 create data x
	expect 0 help
}

start
for check in every_verb_works refusals_have_their_exit_code_and_change_nothing watch_prints_events_as_they_happen output_is_what_the_docs_say \
	help_agrees_with_the_verbs completion_offers_verbs_options_and_names an_unreachable_daemon_is_exit_code_4; do
	$check
done
