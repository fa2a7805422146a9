#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Of the tests themselves: names are sentences, no test's name is taken twice
# in a file, nobody sleeps to synchronise, and no reader of a pipe leaves before
# its end: with pipefail the writer's SIGPIPE would be a failure now and then.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
shopt -s nullglob

bad=0
for file in tests/functional/*.sh tests/crash/*.sh tests/systemd/*.sh tests/long/*.sh; do
	names=$(grep -oE '^test_[A-Za-z0-9_]+ *\(\)' "$file")
	if [[ -z $names ]]; then
		echo "$file: no test in it"
		bad=1
	fi
	found=$(sort <<<"$names" | uniq -d)
	[[ -z $found ]] || { echo "$file: twice: $found"; bad=1; }
	found=$(grep -vE '^test_([a-zA-Z0-9]+_){2,}[a-zA-Z0-9]+ *\(\)' <<<"$names")
	[[ -z $found ]] || { echo "$file: not a sentence: $found"; bad=1; }
	found=$(grep -nE '(^|[;&|({]|do|then)[[:space:]]*sleep[[:space:]]' "$file")
	[[ -z $found ]] || { echo "$file: sleeps: $found (wait_for polls with a deadline)"; bad=1; }
done
while read -r file; do
	found=$(grep -nE '\|[[:space:]]*grep -[a-zA-Z]*q' "$file")
	[[ -z $found ]] || { echo "$file: $found (grep ... >/dev/null reads to the end)"; bad=1; }
done < <(git ls-files -co --exclude-standard tests | grep -vE '^tests/style/tests.sh$')
exit $bad
