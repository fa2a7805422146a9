#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every script passes shellcheck.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

mapfile -t scripts < <(git ls-files -co --exclude-standard | while read -r file; do
	[[ -f $file ]] || continue
	if [[ $file == *.sh ]] || head -n 1 "$file" | grep -E '^#!.*\b(bash|sh)\b' >/dev/null; then
		echo "$file"
	fi
done)
# Two at a time, in small parts: one run over all of them takes long.
printf '%s\0' "${scripts[@]}" | xargs -0 -n 6 -P 2 shellcheck -x -P SCRIPTDIR -P .
