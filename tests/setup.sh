#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Install every package that building, testing and the demo need, by name. As
# root, on Debian 12 with its security archive. Does nothing when all are there.
set -euo pipefail

packages=(
	# building the module, for every kernel that is supported
	make gcc g++ libc6-dev bc bison flex cpio kmod dkms sparse libelf-dev libssl-dev xz-utils
	linux-headers-amd64 linux-headers-cloud-amd64 linux-headers-rt-amd64
	linux-headers-6.12-amd64 linux-headers-6.12-cloud-amd64 linux-headers-6.12-rt-amd64
	# the virtual machines and what runs in them
	qemu-system-x86 busybox-static linux-image-amd64 linux-image-6.12-amd64
	mmdebstrap dmsetup lvm2 fio e2fsprogs xfsprogs util-linux procps psmisc gawk findutils diffutils file
	# the kernel with KASAN and lockdep
	linux-source-6.12
	# the control plane
	cmake ninja-build libboost-dev libcli11-dev nlohmann-json3-dev libtomlplusplus-dev libspdlog-dev libfmt-dev
	libsystemd-dev libkmod-dev libnl-3-dev libnl-genl-3-dev libsqlite3-dev
	# test programs and checks
	libboost-test-dev libdevmapper-dev linux-libc-dev pkg-config clang shellcheck git ca-certificates
	python3 man-db bsdextrautils strace
)

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
