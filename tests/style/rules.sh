#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# House rules that can be checked by looking: licences, who may include whom,
# where kernel versions are known, no path of somebody's machine.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
bad=0

# usage: complain WHAT, lines on standard input; a failure when there are any
complain() {
	local lines
	lines=$(cat)
	[[ -n $lines ]] || return 0
	echo "$1:"
	sed 's/^/    /' <<<"$lines"
	bad=1
}

unlicensed() {
	local file
	git ls-files | grep -vE '^(COPYING|\.gitignore)$' | while read -r file; do
		[[ ! -f $file ]] || head -n 5 "$file" | grep -q 'SPDX-License-Identifier: ' || echo "$file"
	done
}
complain "no SPDX line" < <(unlicensed)
complain "kernel/ is GPL-2.0-only" < <(git ls-files kernel | xargs grep -LE 'SPDX-License-Identifier: GPL-2.0-only')

complain "core/ meets the kernel in snap_types.h only" < <(
	grep -nE '#include [<"](linux|asm)/' kernel/core/*.[ch] | grep -v '^kernel/core/snap_types.h:'
)
complain "kernel versions are known in compat/ only" < <(
	grep -rnE 'LINUX_VERSION_CODE|KERNEL_VERSION|linux/version\.h' kernel --include='*.[ch]' --include=Kbuild | grep -v '^kernel/compat/'
)
complain "a store does not see the snapshot that uses it" < <(
	grep -nE '#include "(snapshot|origin|merge|registry|pending|worker|switch)\.h"' kernel/snapshot/store*.[ch] kernel/snapshot/meta_io.[ch]
)
complain "core/ includes nothing above it" < <(
	grep -nE '#include "(snapshot|store|origin|meta_io|nodes)\.h"' kernel/core/*.[ch]
)
complain "no BUG_ON" < <(
	grep -rnE '\bBUG(_ON)?\(' kernel --include='*.[ch]'
)

# Written so that this file does not contain what it looks for.
complain "paths of a machine" < <(
	git grep -nE "(^|[^A-Za-z0-9_.])/wor[k]/|\.\./share[d]|\.librar[y]" -- .
)

exit $bad
