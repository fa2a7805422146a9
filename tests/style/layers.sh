#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who may include whom is one direction, bottom to top:
#     uapi <- core <- compat <- snapshot
#     base <- dm, genl, store <- engine <- ipc <- cli | daemon
# and knowledge of kernel versions stays in kernel/compat.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

bad=0
complain() {
	echo "$1:"
	printf '%s\n' "$2" | sed 's/^/    /'
	bad=1
}

# The code of a file without its comments, with the lines' numbers.
# usage: code FILE...
code() {
	local file
	for file in "$@"; do
		awk -v file="$file" '{
			line = $0
			while (1) {
				if (inside) {
					if (!(i = index(line, "*/"))) { line = ""; break }
					line = substr(line, i + 2); inside = 0
				}
				if (!(i = index(line, "/*"))) break
				rest = substr(line, i + 2)
				if ((j = index(rest, "*/"))) line = substr(line, 1, i - 1) substr(rest, j + 2)
				else { line = substr(line, 1, i - 1); inside = 1; break }
			}
			sub("//.*", "", line)
			if (line != "") print file ":" FNR ":" line
		}' "$file"
	done
}
shopt -s nullglob globstar

# Headers of the kernel's, in core: only in its one portability header, and
# there only under __KERNEL__, but for linux/types.h, which userspace has too.
found=$(for file in kernel/core/*.[ch]; do
	[[ $file != kernel/core/snap_types.h ]] || continue
	code "$file" | grep -E '#[ \t]*include[ \t]*<(linux|asm|uapi)/'
done)
[[ -z $found ]] || complain "core includes the kernel outside of snap_types.h" "$found"

found=$(awk '
	/^#[ \t]*if/ {
		depth++
		kernel[depth] = /ifdef[ \t]+__KERNEL__/
		user[depth] = /ifndef[ \t]+__KERNEL__/
	}
	/^#[ \t]*el/ { kernel[depth] = user[depth] }
	/^#[ \t]*endif/ { depth-- }
	/^#[ \t]*include[ \t]*<(linux|asm)\// && !/<linux\/types\.h>/ {
		for (i = depth; i > 0 && !kernel[i]; i--) ;
		if (!i) print FILENAME ":" FNR ": " $0
	}' kernel/core/snap_types.h 2>/dev/null)
[[ -z $found ]] || complain "a kernel header that is not under __KERNEL__" "$found"

# What core may include of ours: itself and uapi.
found=$(code kernel/core/*.[ch] | grep -E '#[ \t]*include[ \t]*"' | while IFS= read -r line; do
	name=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$line")
	[[ -e kernel/core/${name##*/} || -e kernel/uapi/${name##*/} ]] || echo "$line"
done)
[[ -z $found ]] || complain "core includes what is above it" "$found"

# uapi and compat know nothing of the targets.
found=$(code kernel/uapi/**/*.h kernel/compat/*.[ch] | grep -E '#[ \t]*include[ \t]*"' | while IFS= read -r line; do
	name=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$line")
	[[ ! -e kernel/snapshot/${name##*/} ]] || echo "$line"
done)
[[ -z $found ]] || complain "compat or uapi includes a target's header" "$found"

# A store is given devices, sizes and callbacks; it does not see who uses it.
found=$(code kernel/snapshot/store*.[ch] kernel/snapshot/meta_io.[ch] | grep -E '#[ \t]*include[ \t]*"(snapshot|merge|origin|registry|switch|pending|worker|tracked|.*_target)\.h"')
[[ -z $found ]] || complain "a store includes what is above it" "$found"

# No target includes another target.
found=$(code kernel/snapshot/*.[ch] | grep -E '#[ \t]*include[ \t]*"[^"]*_target\.h"' | grep -vE '^kernel/snapshot/(main\.c|([a-z_]+)\.c:.*"\2\.h")')
[[ -z $found ]] || complain "a target's header is included elsewhere than in main.c" "$found"

# Versions.
found=$(code kernel/**/*.[ch] | grep -E 'LINUX_VERSION_CODE|KERNEL_VERSION|linux/version\.h' | grep -v '^kernel/compat/')
[[ -z $found ]] || complain "a kernel's version outside of compat" "$found"

# The control plane: base <- dm, genl, store <- engine <- ipc <- cli | daemon.
declare -A below=([base]=''
	[dm]='base' [genl]='base' [store]='base' [engine]='base dm genl store'
	[ipc]='base engine' [cli]='base engine ipc' [daemon]='base dm genl engine ipc')
for folder in "${!below[@]}"; do
	allowed="($folder ${below[$folder]})"
	allowed=$(sed 's/ *)/)/; s/  */|/g' <<<"$allowed")
	found=$(code userspace/"$folder"/*.{cc,h} | grep -E '#[ \t]*include[ \t]*"(base|dm|genl|store|engine|ipc|cli|daemon)/' |
		grep -vE "#[ \t]*include[ \t]*\"$allowed/")
	[[ -z $found ]] || complain "$folder includes what is above or beside it" "$found"
done

# usage: only_in REGEX-OF-A-HEADER FOLDERS...
only_in() {
	local rest
	rest=$(IFS='|' && echo "${*:2}")
	found=$(code userspace/**/*.{cc,h} | grep -E "#[ \t]*include[ \t]*[<\"]$1" | grep -vE "^userspace/($rest)/")
	[[ -z $found ]] || complain "<$1> outside of userspace/$rest" "$found"
}
only_in 'libdevmapper\.h' dm
only_in 'linux/dm-ioctl\.h' dm
only_in 'netlink/' genl
only_in '(kernel/|uapi/|core/)?snap_' store genl
only_in 'sqlite3\.h' engine
only_in 'toml' base

# A bug in us must not take the machine down.
found=$(code kernel/**/*.[ch] | grep -E '\b(BUG|BUG_ON|panic)[ \t]*\(')
[[ -z $found ]] || complain "BUG_ON in the kernel half" "$found"
exit $bad
