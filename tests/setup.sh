#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install every package that is needed, by name. As root, on Debian 12; for the
# tests, with its security archive. Does nothing when all are there.
#
# usage: setup.sh                  what building, testing and the demo need
#        setup.sh build [PACKAGE]...   what building needs, and these
set -euo pipefail

packages=(
	# the module
	make gcc libc6-dev kmod dkms
	# the control plane
	g++ cmake ninja-build pkg-config linux-libc-dev libboost-dev libboost-test-dev libcli11-dev nlohmann-json3-dev
	libtomlplusplus-dev libspdlog-dev libfmt-dev libdevmapper-dev libsystemd-dev libblkid-dev libkmod-dev libnl-3-dev libnl-genl-3-dev
	libsqlite3-dev
)
testing=(
	# the module, for every kernel that is supported
	linux-headers-amd64 linux-headers-cloud-amd64 linux-headers-rt-amd64
	linux-headers-6.12-amd64 linux-headers-6.12-cloud-amd64 linux-headers-6.12-rt-amd64
	sparse
	# the virtual machines and what runs in them
	qemu-system-x86 busybox-static linux-image-amd64 linux-image-6.12-amd64
	mmdebstrap dmsetup lvm2 fio e2fsprogs xfsprogs util-linux procps psmisc gawk findutils diffutils file
	# the kernel with KASAN and lockdep
	linux-source-6.12 bc bison flex cpio libelf-dev libssl-dev xz-utils
	# checks
	clang shellcheck git ca-certificates python3 man-db bsdextrautils strace
)
case ${1-} in
'') packages+=("${testing[@]}") ;;
build) packages+=("${@:2}") ;;
*)
	sed -n '/^# usage/,/^set/s/^# //p' "$0" >&2
	exit 2
	;;
esac

missing=()
for package in "${packages[@]}"; do
	[[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
done
((${#missing[@]} > 0)) || exit 0

((EUID == 0)) || {
	echo "setup: these packages are missing, install them as root: ${missing[*]}" >&2
	exit 1
}
echo "setup: installing ${missing[*]}"
# Guests read this machine's root live: nothing is installed while one runs.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/snapctl
mkdir -p "$cache"
exec 9>"$cache/vm.lock"
flock 9
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	echo "setup: apt-get failed; the 6.12 kernels come from Debian 12's security archive (bookworm-security): is it among the sources?" >&2
	exit 1
fi
rm -f "$log"
