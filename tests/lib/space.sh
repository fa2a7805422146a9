# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests of snapshots without room have in common. To be sourced in the guest,
# by a test file.

# shellcheck source=tests/lib/failures.sh
. "${BASH_SOURCE[0]%/*}/failures.sh"
# shellcheck source=tests/lib/stores.sh
. "${BASH_SOURCE[0]%/*}/stores.sh"

# 16 chunks of 4 KiB: header, area and room for 14 (of a transient store: 16).
readonly small_cow=128

# The origin /dev/mapper/orig with the pattern on it, a COW device
# /dev/mapper/cow, which can grow, and the snapshot s, with these features. $events is
# how many s has had.
# usage: small_snapshot P|PO|N [FEATURE...]
small_snapshot() {
	dev o 4
	dev c 16
	pattern write /dev/test/o
	dm_linear cow /dev/test/c 0 $small_cow
	snap_origin orig /dev/test/o
	snap_line_s=$(snap_table /dev/test/o /dev/mapper/cow "$1" 8 "${@:2}")
	dm_create s "$snap_line_s"
	# shellcheck disable=SC2034 # for the test
	events=$(dm_events s)
}

# usage: fill_cow: by writes to the origin, from sector 2048 on
fill_cow() {
	filled=$small_cow
	[[ $(dm_table s) == *" N "* ]] || filled=$((filled - 16))
	pattern write /dev/mapper/orig --start 2048 --sectors $filled --stamp 2
	check_match "$(dm_status s)" "^128/128 " "the room is taken"
}

# usage: grow_cow SECTORS
grow_cow() { dm_reload cow "0 $1 linear /dev/test/c 0"; }

# usage: stat NAME KEY, from the message stats
stat_of() {
	local line
	line=$(dm_message "$1" stats)
	[[ " $line " =~ \ $2=([^ ]*)\  ]] || fail "stats of $1 has no $2: '$line'"
	echo "${BASH_REMATCH[1]}"
}

# usage: stat_is NAME KEY VALUE
stat_is() { [[ $(stat_of "$1" "$2") == "$3" ]]; }

# Writes in the background that wait for space, in $writer.
# usage: origin_write_waits SECTOR; stamp 3, a chunk
#        snapshot_write_waits SECTOR; stamp 4, a chunk
origin_write_waits() { write_waits /dev/mapper/orig "$1" 3; }
snapshot_write_waits() { write_waits /dev/mapper/s "$1" 4; }
write_waits() {
	local already
	already=$(stat_of s waiting)
	pattern write "$1" --start "$2" --sectors 8 --stamp "$3" &
	# shellcheck disable=SC2034 # the test waits for it
	writer=$!
	wait_for stat_is s waiting $((already + 1))
}

# usage: goes_on PID
goes_on() { wait "$1" || fail "a write that waited for space failed"; }

# The snapshot, but for a chunk that was written at sector 4096 if that is said.
# usage: snapshot_is_exact [written]
snapshot_is_exact() {
	if (($# == 0)); then
		pattern verify /dev/mapper/s
		return
	fi
	pattern verify /dev/mapper/s --sectors 4096
	pattern verify /dev/mapper/s --start 4096 --sectors 8 --stamp 4
	pattern verify /dev/mapper/s --start 4104
}

# usage: origin_has_it [SECTOR]: what origin_write_waits wrote
origin_has_it() { pattern verify /dev/test/o --start "${1:-4096}" --sectors 8 --stamp 3; }

end_s() {
	dm_remove s
	store_check /dev/mapper/cow 8192
}

# ---- merging ---------------------------------------------------------------

# 32 MiB are being merged into /dev/mapper/orig, whose device is /dev/mapper/below; the message
# is heard before the first batch, of 8 MiB, is over.
# usage: merge_begins MESSAGE-WORD...
merge_begins() {
	dev o 32
	dev c 64
	pattern write /dev/test/o
	dm_linear below /dev/test/o
	dm_linear cow /dev/test/c
	snap_origin orig /dev/mapper/below
	snap_create s /dev/mapper/below /dev/mapper/cow P 8
	pattern write /dev/mapper/s --stamp 4
	dm_remove s
	dm_suspend orig
	dm_load orig "$(snap_merge_table /dev/mapper/below /dev/mapper/cow P 8)"
	# Its copies wait until we have spoken.
	dm_suspend cow
	dm_resume orig
	dm_message orig merge "$@"
	dm_resume cow
	wait_for merge_has_moved orig 65536
}

# usage: merge_has_moved NAME FROM: fewer sectors are allocated than there were
merge_has_moved() { (($(dm_status "$1" | cut -d/ -f1) < $2)); }

merge_came_through() {
	wait_for -t 60 merge_is_done orig
	pattern verify /dev/mapper/orig --stamp 4
	pattern verify /dev/test/o --stamp 4
}
