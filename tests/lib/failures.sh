# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests of refusals and failures have in common. To be sourced in the guest,
# by a test file.

# ---- COW devices -----------------------------------------------------------

# Cut a device into pieces /dev/mapper/NAME0, NAME1... of so many sectors each.
# usage: slices NAME DEVICE COUNT SECTORS
slices() {
	local i table=''
	for ((i = 0; i < $3; i++)); do
		table+="$1$i,,,rw,0 $4 linear $2 $((i * $4));"
	done
	dmsetup create --concise "${table%;}"
}

# The store on a COW device that nobody uses is in order, and what cowstore check
# says about it matches.
# usage: store_is DEVICE REGEX [OPTION-OF-COWSTORE-CHECK]...
store_is() {
	local line
	line=$(cowstore check "$1" "${@:3}") || fail "the store on $1 is damaged: $line"
	check_match "$line" "$2" "the store on $1"
}

# usage: store_is_marked_invalid DEVICE
store_is_marked_invalid() {
	check_eq "$(dd if="$1" bs=4k count=1 iflag=direct status=none | od -An -tu4 -j4 -N4 | tr -d ' ')" 0 "valid in the header of $1"
}

# ---- events ----------------------------------------------------------------

# usage: dm_events NAME, the number that dm_await takes
dm_events() {
	local nr
	nr=$(dmsetup info -c --noheadings -o events "$1")
	echo "${nr//[!0-9]/}"
}

# Wait for an event after the one of this number.
# usage: dm_await NAME NUMBER
dm_await() {
	timeout $((20 * ${TEST_SLOWNESS:-1})) dmsetup wait --noflush "$1" "$2" >/dev/null ||
		fail "no event from $1"
}

# ---- I/O -------------------------------------------------------------------

# The device answers with EIO.
# usage: read_fails DEVICE SECTOR [SECTORS]
#        write_fails DEVICE SECTOR [SECTORS]
read_fails() {
	io_fails if="$1" of=/dev/null bs=$((${3:-8} * 512)) skip=$(($2 * 512)) count=1 iflag=direct,skip_bytes
}
write_fails() {
	io_fails if=/dev/zero of="$1" bs=$((${3:-8} * 512)) seek=$(($2 * 512)) count=1 oflag=direct,seek_bytes
}
io_fails() {
	local output
	! output=$(dd "$@" 2>&1) || fail "dd $* succeeded, it should have failed"
	[[ $output == *"Input/output error"* ]] || fail "dd $*: expected EIO, got $output"
}

# usage: snapshot_is_lost NAME
snapshot_is_lost() {
	check_eq "$(dm_status "$1")" Invalid "$1"
	read_fails "/dev/mapper/$1" 0
	write_fails "/dev/mapper/$1" 0
}

# ---- the kernel log --------------------------------------------------------

# usage: log_mark; then log_since prints what the kernel has logged since
log_mark() {
	log_marked="mark $EPOCHREALTIME"
	echo "$log_marked" >/dev/kmsg
}
log_since() { dmesg | sed "1,/$log_marked/d"; }

# ---- tables that are refused -----------------------------------------------

# usage: refusals_begin; then refused TEXT TABLE-LINE, again and again; then
# refusals_end, which compares the reasons that the kernel logged. TEXT is a
# part of the reason, as in `power of 2 (-EINVAL)`.
refusals_begin() {
	: >"$TEST_DIR/refusals"
	refusals_mark="refusals $EPOCHREALTIME"
	echo "$refusals_mark" >/dev/kmsg
	dmsetup create refused --notable
}

refused() {
	! dmsetup load refused --table "$2" 2>/dev/null || fail "'$2' was accepted"
	echo "$1" >>"$TEST_DIR/refusals"
}

refusals_end() {
	local log wanted got
	log=$(dmesg | sed "1,/$refusals_mark/d")
	while IFS= read -r -u3 wanted && IFS= read -r -u4 got; do
		[[ $got == *"$wanted"* ]] || fail "a table was refused with '$got', not with '$wanted'"
	done 3<"$TEST_DIR/refusals" 4< <(sed -n 's/.*device-mapper: table: [0-9:]*: \(.*(-E[A-Z]*)\)$/\1/p' <<<"$log")
	check_eq "$(grep -cE 'device-mapper: table: .*\(-E[A-Z]*\)$' <<<"$log")" "$(wc -l <"$TEST_DIR/refusals")" \
		"reasons in the kernel log"
	! grep -E 'call missing|not in table devices list' <<<"$log" || fail "a refused table left a device open"
	dm_remove refused
}
