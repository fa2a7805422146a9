# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the host-side scripts share: where things are, which kernel is meant.

# shellcheck disable=SC2034 # used by those who source this
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034
cache=${XDG_CACHE_HOME:-$HOME/.cache}/snapctl
# shellcheck disable=SC2034
build=$repo/build

die() { echo "${0##*/}: $*" >&2; exit 2; }

# Prints the newest installed release of a series and flavour.
# usage: newest_release SERIES [amd64|cloud-amd64|rt-amd64]
newest_release() {
	local series=${1//./\\.} flavour=${2:-amd64} dir release newest=
	# The plain flavour's name has nothing between the ABI and the architecture.
	local pattern="^$series\\.[0-9.]+([-+][a-z]*[0-9.]+)*-$flavour\$"
	while read -r dir; do
		release=${dir##*/}
		[[ $release =~ $pattern ]] && newest=$release
	done < <(printf '%s\n' /lib/modules/*/ | sed 's,/$,,' | sort -V)
	[[ -n $newest ]] || return 1
	echo "$newest"
}

# Turns a name of a kernel (6.1, 6.12, debug, or a release) into a release.
kernel_release() {
	local dir
	case $1 in
	debug)
		dir=$("$repo/tests/vm/debug-kernel" --path) ||
			die "no debug kernel yet: make debug-kernel"
		cat "$dir/release"
		;;
	*-*) echo "$1" ;;
	*) newest_release "$1" || die "no installed kernel of series $1: make setup" ;;
	esac
}

# Prints the folder of the debug kernel if that is the release meant, else nothing.
debug_dir() {
	local dir
	dir=$("$repo/tests/vm/debug-kernel" --path 2>/dev/null) || return 0
	[[ $(cat "$dir/release") != "$1" ]] || echo "$dir"
}

# Prints what `make -C` needs to build external modules for a release.
kernel_build_dir() {
	local dir
	dir=$(debug_dir "$1")
	if [[ -n $dir ]]; then
		echo "$dir/src"
	elif [[ -e /lib/modules/$1/build/Makefile ]]; then
		echo "/lib/modules/$1/build"
	else
		die "no headers for $1: make setup"
	fi
}

jobs() { echo "${SNAPCTL_JOBS:-$(nproc)}"; }
