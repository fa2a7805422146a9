#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every shell script passes shellcheck.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
scripts=()
while read -r file; do
	[[ -f $file ]] || continue
	if [[ $file == *.sh ]] || head -n1 "$file" | grep -qE '^#!.*\b(ba)?sh\b'; then
		scripts+=("$file")
	fi
done < <(git ls-files)
((${#scripts[@]} > 0))
shellcheck -x -P SCRIPTDIR -P . "${scripts[@]}"
