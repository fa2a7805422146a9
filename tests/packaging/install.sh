#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `make install` of the control plane puts every part into its place, and
# `make uninstall` takes all of it away but what an administrator wrote. In a
# folder of its own: nothing is installed.
set -euo pipefail

# shellcheck source=tests/vm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../vm/lib.sh"
cd "$repo"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "install: $*"; exit 1; }

make -s install-userspace DESTDIR="$dir" PREFIX=/usr >/dev/null
for file in /usr/sbin/snapctl /usr/lib/systemd/system/snapctl.{service,socket} /usr/lib/udev/rules.d/{11,56}-dm-snapctl.rules \
	/usr/share/bash-completion/completions/snapctl /usr/share/zsh/site-functions/_snapctl \
	/usr/share/man/man8/snapctl.8 /usr/share/man/man8/snapctl-create.8 /etc/snapctl/snapctl.toml; do
	[[ -s $dir$file ]] || fail "$file is not there"
done
[[ $("$dir/usr/sbin/snapctl" --version) == "snapctl $(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)" ]] ||
	fail "the program says another version"
! readelf -S "$dir/usr/sbin/snapctl" | grep '\.debug_info' || fail "the program is not stripped"
! grep -rn '@SBINDIR@' "$dir/usr/lib" || fail "a unit does not know where the program is"
grep -q '^ExecStart=/usr/sbin/snapctl daemon$' "$dir/usr/lib/systemd/system/snapctl.service" || fail "ExecStart"
if [[ -n $(type -P systemd-analyze) ]]; then
	# The programs in ExecStart are looked for on this machine.
	errors=$(systemd-analyze verify --man=no --root="$dir" "$dir"/usr/lib/systemd/system/snapctl* 2>&1 |
		grep snapctl | grep -vE 'Failed to (add|load)|not found|is not executable' || true)
	[[ -z $errors ]] || fail "systemd says: $errors"
fi
[[ -z $(type -P udevadm) ]] || ! udevadm verify --help >/dev/null 2>&1 ||
	udevadm verify "$dir/usr/lib/udev/rules.d/56-dm-snapctl.rules"

# A configuration that was changed survives another install and the uninstall.
echo '# mine' >>"$dir/etc/snapctl/snapctl.toml"
make -s install-userspace DESTDIR="$dir" PREFIX=/usr >/dev/null
grep -q '^# mine$' "$dir/etc/snapctl/snapctl.toml" || fail "the configuration was overwritten"
DESTDIR=$dir PREFIX=/usr userspace/data/install uninstall
left=$(find "$dir" -type f)
[[ $left == "$dir/etc/snapctl/snapctl.toml" ]] || fail "left behind: $left"

make -s install-userspace DESTDIR="$dir/other" >/dev/null
[[ -x $dir/other/usr/local/sbin/snapctl ]] || fail "PREFIX is not /usr/local"
DESTDIR=$dir/other userspace/data/install uninstall
left=$(find "$dir/other" -type f)
[[ -z $left ]] || fail "left behind: $left"
