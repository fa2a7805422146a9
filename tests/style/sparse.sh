#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The module's sources, as sparse sees them: any line is a failure.
set -euo pipefail

# shellcheck source=tests/vm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../vm/lib.sh"

release=$(kernel_release "${KERNEL_FOR_SPARSE:-6.12}")
src=$(mktemp -d)
trap 'rm -rf "$src"' EXIT
cp -r "$repo/Kbuild" "$repo/kernel" "$src/"
find "$src" -name '*.o' -delete
make -C "$(kernel_build_dir "$release")" M="$src" -j"$(jobs)" C=2 modules >"$src/log" 2>&1 || {
	cat "$src/log"
	exit 1
}
if grep -E "^($src|kernel)/.*(warning|error):" "$src/log"; then
	exit 1
fi
grep -q '  CHECK ' "$src/log" || { echo "sparse did not run"; exit 1; }
