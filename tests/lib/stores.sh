# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests that look at exactness and at stores have in common. To be sourced
# in the guest, by a test file.

# An origin full of its pattern: /dev/test/origin, and /dev/mapper/origin
# through which it is written.
# usage: make_origin [MIB [OPTION=VALUE]...]
make_origin() {
	dev origin "${1:-32}" "${@:2}"
	pattern write /dev/test/origin
	snap_origin origin /dev/test/origin
}

# A snapshot of /dev/test/origin: /dev/mapper/NAME, kept on /dev/test/NAME-cow.
# usage: make_snap NAME TYPE CHUNK_SECTORS COW_MIB [SECTORS]
make_snap() {
	dev "$1-cow" "$4"
	dm_create "$1" "0 ${5:-$(sectors /dev/test/origin)} snapshot /dev/test/origin /dev/test/$1-cow $2 $3"
	# The kernel's own module learns of the chunk size only then.
	if [[ $VM_MODULE == intree ]]; then
		dm_suspend origin
		dm_resume origin
	fi
}


# An offline look at a store. Nothing may be wrong with it, or left over.
# usage: store_check COW [ORIGIN_SECTORS]
store_check() {
	local -a options=()
	[[ -z ${2-} ]] || options=(--origin-sectors "$2")
	cowstore check --strict "${options[@]}" "$1" || fail "the store on $1 is damaged"
}

# usage: store_says COW KEY, one of entries, areas, next_free, ...
store_says() {
	local line
	line=$(cowstore check "$1")
	[[ $line =~ \ $2=([0-9]+) ]] || fail "'$line' has no $2"
	echo "${BASH_REMATCH[1]}"
}

# What the status of a store with so many exceptions must be, by the format's
# arithmetic: the header, then areas of E entries, each followed by their E
# chunks; the next free chunk is never one of an area.
# usage: expected_status EXCEPTIONS CHUNK_SECTORS COW
expected_status() {
	local n=$1 chunk=$2 per_area=$(($2 * 32))
	echo "$(((2 + n + n / per_area) * chunk))/$(sectors "$3") $(((n / per_area + 2) * chunk))"
}

# A sum over the contents. The cache of DEVICE is not asked.
# usage: contents DEVICE [SECTORS]
contents() {
	dd if="$1" iflag=direct,count_bytes bs=1M count=$((${2:-$(sectors "$1")} * 512)) status=none | sha256sum | cut -d' ' -f1
}

# ---- devices that answer late ----------------------------------------------

# usage: slow_table DEVICE READ_MS WRITE_MS [FLUSH_MS]
slow_table() { echo "0 $(sectors "$1") delay $1 0 $2 $1 0 $3 $1 0 ${4:-0}"; }

# usage: slow_dev NAME DEVICE READ_MS WRITE_MS [FLUSH_MS]
slow_dev() { dm_create "$1" "$(slow_table "${@:2}")"; }

# Is any I/O of /dev/mapper/NAME under way? Mostly as wait_for has_io NAME.
# usage: has_io NAME
has_io() {
	local reads writes
	read -r reads writes <"/sys/dev/block/$(major_minor "/dev/mapper/$1")/inflight"
	((reads + writes > 0))
}

# Is any I/O being held back by a device that answers late?
# usage: is_delaying NAME
is_delaying() { [[ $(dm_status "$1") =~ [1-9] ]]; }

# The slow device NAME on DEVICE holds what it is given from now on, until it is let
# go. Should a test not come to that, all goes on by itself after this time.
# usage: hold_reads NAME DEVICE; hold_writes NAME DEVICE
held_ms() { echo $((60000 * ${TEST_SLOWNESS:-1})); }
hold_reads() { dm_reload "$1" "$(slow_table "$2" "$(held_ms)" 0)"; }
hold_writes() { dm_reload "$1" "$(slow_table "$2" 0 "$(held_ms)")"; }

# The slow device NAME on DEVICE answers at once from now on, also what it has held.
# usage: let_go NAME DEVICE
let_go() { dm_reload "$1" "$(slow_table "$2" 0 0)"; }

# Time for what is under way to come further, and for what must not come to come.
# Nothing would show either; should it take longer, a test says less, but nothing wrong.
a_moment() { sleep 0.5; }

# A command that waits for what the slow device NAME on DEVICE holds: that is let go
# when the command has begun. It must succeed.
# usage: let_go_during NAME DEVICE COMMAND [ARGUMENT]...
let_go_during() {
	local pid
	"${@:3}" &
	pid=$!
	a_moment
	let_go "$1" "$2"
	wait $pid
}

# ---- load ------------------------------------------------------------------

# Random writes to DEVICE; fio reads back and verifies all that it wrote.
# usage: fio_verified DEVICE BLOCK_SIZE BYTES VERIFY [OPTION]...
fio_verified() {
	fio --name=verified --filename="$1" --direct=1 --ioengine=libaio --iodepth=16 --thread \
		--rw=randwrite --bs="$2" --io_size="$3" --verify="$4" --verify_fatal=1 --minimal \
		--randrepeat=1 --output="$TEST_DIR/fio.$BASHPID" "${@:5}"
}

# As long as the process runs, read the snapshots over and over: they must hold
# the origin's first pattern. The process must succeed.
# usage: keep_pattern PID SNAPSHOT...
keep_pattern() {
	local pid=$1 snap
	shift
	while kill -0 "$pid" 2>/dev/null; do
		for snap in "$@"; do
			pattern verify "$snap" || fail "$snap is not what the origin was"
		done
	done
	wait "$pid" || fail "the load failed"
	for snap in "$@"; do
		pattern verify "$snap" || fail "$snap is not what the origin was"
	done
}

# ---- merging ---------------------------------------------------------------

# usage: slow_set NAME DEVICE READ_MS WRITE_MS [FLUSH_MS]
slow_set() { dm_reload "$1" "$(slow_table "${@:2}")"; }

# How many events a device has raised. `dmsetup wait NAME COUNT` returns when
# there are more.
# usage: nr_events NAME
nr_events() {
	local nr
	nr=$(dmsetup info -c --noheadings -o events "$1")
	echo "${nr//[!0-9]/}"
}

# The allocated sectors in the status of a snapshot.
# usage: allocated NAME
allocated() {
	local status
	status=$(dm_status "$1")
	[[ $status =~ ^([0-9]+)/ ]] || fail "$1 says '$status'"
	echo "${BASH_REMATCH[1]}"
}

# usage: is_below NAME SECTORS
is_below() { (($(allocated "$1") < $2)); }

# Turn /dev/mapper/origin into the device that a snapshot is merged into.
# usage: merge_into_origin COW [CHUNK_SECTORS]
merge_into_origin() {
	dm_reload origin "$(snap_merge_table /dev/test/origin "$1" P "${2:-32}")"
}
