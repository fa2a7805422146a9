#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing in the tree depends on the machine it was written on: no paths of
# home directories, no addresses, no releases of kernels that move.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

bad=0
# usage: forbid REGEX REASON
forbid() {
	local found
	if found=$(git grep --untracked -nIE -e "$1" -- . ':!COPYING' ':!tests/style/portable.sh'); then
		echo "$2:"
		printf '%s\n' "$found" | sed 's/^/    /'
		bad=1
	fi
}
forbid '(^|[^A-Za-z0-9_.$}])/(home|Users)/[A-Za-z]' "a path in a home directory"
forbid '(^|[^A-Za-z0-9_.$}/])/(work|workspace|repo|src)/|\.\./shared|\.library' "a path of one machine"
forbid '(^|[^0-9.])6\.(1|12)\.[0-9]+[-+][a-z0-9]' "a release of a kernel: find it by pattern"
forbid '[[:space:]]+$' "blanks at the end of a line"
exit $bad
