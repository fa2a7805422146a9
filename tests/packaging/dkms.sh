#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# DKMS builds the module from what `make dkms-install` hands it, for both
# series, and refuses kernels that are not supported. All in a folder of its
# own: nothing is installed.
set -euo pipefail

# shellcheck source=tests/vm/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../vm/lib.sh"
cd "$repo"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
mkdir -p "$dir/tree" "$dir/source"
make -s dkms-source DKMS_SOURCE="$dir/source/snapctl-$version"
trees=(--dkmstree "$dir/tree" --sourcetree "$dir/source")
dkms add "snapctl/$version" "${trees[@]}"

for series in 6.12 6.1; do
	# As the default flavour has its module from the other builds.
	release=$(newest_release $series cloud-amd64)
	dkms build "snapctl/$version" -k "$release" "${trees[@]}"
	module=$(find "$dir/tree/snapctl/$version/$release" -name 'dm-snapshot.ko*')
	[[ $(modinfo -F version "$module") == "$version" ]]
	[[ $(modinfo -F vermagic "$module") == "$release "* ]]
done

# The regex, as DKMS would apply it.
exclusive=$(sed -n 's/^BUILD_EXCLUSIVE_KERNEL="\(.*\)"/\1/p' dkms.conf)
for series in 5.10 6.2 6.11; do
	if [[ $series.0-1-amd64 =~ $exclusive ]]; then
		echo "dkms.conf accepts $series"
		exit 1
	fi
done
for series in 6.1 6.12; do
	if ! [[ $series.0-1-amd64 =~ $exclusive ]]; then
		echo "dkms.conf refuses $series"
		exit 1
	fi
done
