#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every verb has a page, every page a verb, and a page says what help says.
# man renders each without a complaint. OUT is the folder of the build.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
snapctl=${OUT:?}/snapctl
TEST_DIR=$(mktemp -d)
export TEST_DIR
trap 'rm -rf "$TEST_DIR"' EXIT
# shellcheck source=tests/lib/check.sh
. "$here/../lib/check.sh"

# What the pages look like, without fonts and with all of a paragraph on a line.
render() { man --warnings -E UTF-8 --nh --nj "$1" 2>"$TEST_DIR/warnings" | col -bx; }

"$snapctl" help --json | python3 -c '
import json, sys
for verb in json.load(sys.stdin)["verbs"]:
    words = [verb["name"], verb["synopsis"]]
    words += ["--" + option["name"] for option in verb["options"]]
    print("\t".join(words))' >"$TEST_DIR/verbs"

while IFS=$'\t' read -r -a words; do
	page=$OUT/man/snapctl-${words[0]// /-}.8
	[[ -s $page ]] || fail "the verb ${words[0]} has no page"
	grep -q '^\.SH DESCRIPTION' "$page" || fail "$page has no part written by hand"
	# Escaped hyphens are what makes them options.
	text=$(sed 's/\\-/-/g; s/\\f[BIR]//g' "$page")
	for word in "${words[@]:2}"; do
		check_match "$text" "(^|[^-])$word($|[^a-z-])" "$page does not say $word"
	done
	# And none that the verb does not have.
	while read -r word; do
		[[ " ${words[*]:2} " == *" $word "* ]] || fail "$page speaks of $word, which ${words[0]} does not have"
	done < <(sed -n '/^\.SH SYNOPSIS/,/^\.SH SEE ALSO/p' <<<"$text" | grep -vE '^(snapctl |\.\\")' | grep -oE -- '--[a-z]+(-[a-z]+)*' | sort -u)
done <"$TEST_DIR/verbs"

for page in "$OUT"/man/*.8; do
	name=$(basename "$page" .8)
	[[ $name == snapctl ]] || cut -f1 "$TEST_DIR/verbs" | tr ' ' '-' | grep -x -- "${name#snapctl-}" >/dev/null ||
		fail "$name is a page of no verb"
	[[ -z $(type -P man) || -z $(type -P col) ]] || {
		[[ -n $(render "$page") ]] || fail "$name renders to nothing"
		check_eq "$(<"$TEST_DIR/warnings")" "" "$name"
	}
done
# The overview names all of them.
while IFS=$'\t' read -r verb _; do
	grep -q "^\.B ${verb//-/\\\\-}\$" "$OUT/man/snapctl.8" || fail "snapctl.8 does not name $verb"
done <"$TEST_DIR/verbs"
