#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing in the tree depends on the machine it was written on: no paths of
# home directories, no addresses, no releases of kernels that move.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

bad=0
files=(. ':!COPYING' ':!tests/style/portable.sh')
# usage: report FOUND REASON
report() {
	[[ -n $1 ]] || return 0
	echo "$2:"
	printf '%s\n' "$1" | sed 's/^/    /'
	bad=1
}
# usage: forbid REGEX REASON
forbid() { report "$(git grep --untracked -nIE -e "$1" -- "${files[@]}")" "$2"; }

# Folders that a path from the root may begin with: those of every Linux, those
# of the machines that tests make, and what only looks like a path in scripts.
roots='bin|boot|dev|etc|lib|mnt|proc|root|run|sbin|srv|sys|tmp|usr|var'
roots+='|hot|lower|modules|out|rw|top|no|nonexistent'
roots+='|Documentation|build|corpus|dm|homes|kernel|loop|man|optimized|queue|small|snap|tests|updates|userspace|vm'

# Paths from the root, where the folder is none of these.
foreign_roots() {
	git grep --untracked -nIoE -e '(^|[^A-Za-z0-9_.$}/])/[A-Za-z]+/' -- "${files[@]}" |
		grep -vE ":.?/($roots)/\$"
}

# Hidden folders, but for those of the tree, of its builds and of every user.
foreign_hidden() {
	git grep --untracked -nIoE -e '(/\.[a-z]+|(^|[^A-Za-z0-9_.*)])\.[a-z]+/)' -- "${files[@]}" |
		grep -vE '\.(ci|vm|obj|cache|config|git)/?$'
}

# Relative paths that lead to nothing in the tree, and so perhaps out of it. One is
# of sysfs.
foreign_neighbours() {
	local file line path
	git grep --untracked -nIoE -e '(\.\./)+[A-Za-z._-]+' -- "${files[@]}" |
		while IFS=: read -r file line path; do
			[[ -e $(dirname "$file")/$path || $path == ../queue || $path == */build ]] || echo "$file:$line: $path"
		done
}

forbid '(^|[^A-Za-z0-9_.$}])/(home|Users)/[A-Za-z]' "a path in a home directory"
report "$(foreign_hidden)" "a hidden folder that is neither in the tree nor made by it"
report "$(foreign_roots)" "a path of one machine"
report "$(foreign_neighbours)" "a path that is not in the tree"
forbid '(^|[^0-9.])6\.(1|12)\.[0-9]+[-+][a-z0-9]' "a release of a kernel: find it by pattern"
forbid '[[:space:]]+$' "blanks at the end of a line"
exit $bad
