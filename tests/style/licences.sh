#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every file says what licence it has: the kernel half GPL-2.0-only, everything
# else GPL-2.0-or-later.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2

bad=0
while read -r file; do
	[[ -s $file ]] || continue
	case $file in
	COPYING) continue ;;
	# Data that cannot carry a comment lies beside its generator.
	tests/*/corpus/* | *.json | *.img | *.bin) continue ;;
	kernel/* | Kbuild | dkms.conf) licence=GPL-2.0-only ;;
	*) licence=GPL-2.0-or-later ;;
	esac
	# Headers shared with userspace carry the kernel's exception.
	[[ $file != kernel/uapi/* ]] || licence='GPL-2\.0-only( WITH Linux-syscall-note)?'
	if ! head -n 3 "$file" | grep -E "SPDX-License-Identifier: \(?$licence([ )]|\$)" >/dev/null; then
		echo "$file: no line SPDX-License-Identifier: $licence in the first three lines"
		bad=1
	fi
done < <(git ls-files -co --exclude-standard)
exit $bad
