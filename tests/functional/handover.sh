# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A table loaded for a COW device that is in use: the exceptions move from the old
# table to the new one.
#
# selection: 6.1

# shellcheck source=tests/lib/failures.sh
. "${BASH_SOURCE[0]%/*}/../lib/failures.sh"

readonly o=/dev/test/o c=/dev/test/c

# usage: used_snapshot P|PO|N: 16 MiB origin with the pattern, snapshot s with own
# data at 1024, preserved data at 2048
used_snapshot() {
	dev o 4
	dev c 4
	pattern write $o
	dm_linear cow $c 0 2048
	snap_origin orig $o
	snap_create s $o /dev/mapper/cow "$1" 8
	pattern write /dev/mapper/s --start 1024 --sectors 60 --stamp 1
	pattern write /dev/mapper/orig --start 2048 --sectors 64 --stamp 2
	status=$(dm_status s)
	table=$(dm_table s)
}

snapshot_holds() {
	pattern verify "$1" --sectors 1024
	pattern verify "$1" --start 1024 --sectors 60 --stamp 1
	pattern verify "$1" --start 1084 --sectors 2916
	[[ ${2-} == before ]] || pattern verify "$1" --start 4000 --sectors 5 --stamp 3
	pattern verify "$1" --start 4005
}

# Both sides are written after the switch, too.
goes_on() {
	pattern write "$1" --start 4000 --sectors 5 --stamp 3
	pattern write /dev/mapper/orig --start 4000 --sectors 64 --stamp 4
	pattern write /dev/mapper/orig --start 5000 --sectors 64 --stamp 4
	snapshot_holds "$1"
	pattern verify $o --start 4000 --sectors 64 --stamp 4
}

same_line_again() {
	used_snapshot "$1"
	dm_load s "$table"
	check_eq "$(dmsetup status --inactive s)" "0 8192 snapshot Unknown"
	check_eq "$(dmsetup table --inactive s)" "$table"
	check_eq "$(dm_status s)" "$status" "while another table waits"
	pattern write /dev/mapper/s --start 1024 --sectors 60 --stamp 1
	dm_suspend s
	dm_resume s
	check_eq "$(dm_status s)" "$status" "after the handover"
	check_eq "$(dm_table s)" "$table"
	snapshot_holds /dev/mapper/s before
	goes_on /dev/mapper/s
}

# selection: debug
test_reload_of_the_same_line_keeps_all_exceptions_of_p() {
	same_line_again P
	dm_remove s
	store_is /dev/mapper/cow "^valid .* entries=32 " --strict
	snap_create s $o /dev/mapper/cow P 8
	snapshot_holds /dev/mapper/s
}

# There is no other way to keep them.
test_reload_of_the_same_line_keeps_all_exceptions_of_n() {
	same_line_again N
	dm_reload s "$table"
	snapshot_holds /dev/mapper/s
}

test_reload_may_change_features_and_p_to_po() {
	used_snapshot P
	table=${table/ P 8/ PO 8 1 discard_zeroes_cow}
	dm_reload s "$table"
	check_eq "$(dm_table s)" "$table"
	snapshot_holds /dev/mapper/s before
	goes_on /dev/mapper/s
}

test_reload_finds_the_cow_device_grown() {
	used_snapshot P
	dm_reload cow "0 8192 linear $c 0"
	dm_reload s "$table"
	check_eq "$(dm_status s)" "${status/2048/8192}"
	snapshot_holds /dev/mapper/s before
	pattern write /dev/mapper/orig --start 4000 --sectors 2100 --stamp 4
	check_match "$(dm_status s)" "^2256/8192 24$"
	snapshot_holds /dev/mapper/s before
	dm_remove s
	store_is /dev/mapper/cow "^valid " --strict
}

# The chunk size of the exceptions cannot change with the table.
test_reload_with_another_chunk_size_keeps_that_of_the_exceptions() {
	used_snapshot N
	dm_reload s "${table/ N 8/ N 64}"
	check_eq "$(dm_table s)" "$table"
	check_eq "$(dm_status s)" "$status"
	snapshot_holds /dev/mapper/s before
	goes_on /dev/mapper/s
}

# Another device takes over: it may only once the old one is suspended.
test_handover_from_an_active_source_is_refused_and_everything_goes_on() {
	used_snapshot P
	dmsetup create t --notable
	dm_load t "$table"
	check_fails dm_resume t --with "nvalid argument"
	check_eq "$(dm_status s)" "$status"
	goes_on /dev/mapper/s
	check_eq "$(dm_status t)" Unknown

	dm_suspend s
	dm_resume t
	snapshot_holds /dev/mapper/t
	pattern write /dev/mapper/t --start 7000 --sectors 9 --stamp 5
	dm_resume s
	snapshot_is_lost s
	dm_remove s
	pattern verify /dev/mapper/t --start 7000 --sectors 9 --stamp 5
	dm_remove t
	store_is /dev/mapper/cow "^valid " --strict
}

# selection: debug
test_waiting_table_is_invalid_once_its_source_is_removed() {
	used_snapshot P
	dmsetup create t --notable
	dm_load t "$table"
	dm_remove s
	dm_resume t
	snapshot_is_lost t
	pattern write /dev/mapper/orig --start 4000 --sectors 64 --stamp 4
	pattern verify $o --start 4000 --sectors 64 --stamp 4
	dm_remove t
	# The store itself was left as it was.
	store_is /dev/mapper/cow "^valid .* entries=16 " --strict
}

test_second_waiting_table_is_refused() {
	used_snapshot P
	dmsetup create t --notable
	dm_load t "$table"
	refusals_begin
	refused "not resumed" "$table"
	refusals_end
	dmsetup clear t
	dm_reload s "$table"
	snapshot_holds /dev/mapper/s before
	goes_on /dev/mapper/s
}

test_two_new_tables_for_one_cow_device_are_refused() {
	dev o 4
	dev c 4
	dmsetup create t --notable
	dm_load t "$(snap_table $o $c P 8)"
	refusals_begin
	refused "not resumed" "$(snap_table $o $c P 8)"
	refusals_end
	dm_resume t
	check_eq "$(dm_status t)" "16/8192 16"
}

test_cow_device_in_use_is_refused_to_another_origin_or_store() {
	used_snapshot P
	dev o2 4
	refusals_begin
	refused "another origin" "0 8192 snapshot /dev/test/o2 /dev/mapper/cow P 8"
	refused "another type of exception store" "0 8192 snapshot $o /dev/mapper/cow N 8"
	refusals_end
	goes_on /dev/mapper/s
}

test_table_that_waited_in_vain_leaves_the_source_alone() {
	used_snapshot P
	dm_load s "$table"
	dmsetup clear s
	check_eq "$(dm_status s)" "$status"
	goes_on /dev/mapper/s
	dm_suspend s
	dm_resume s
	snapshot_holds /dev/mapper/s
}

# As LVM merges a snapshot that is in use: both are suspended, the origin's new table
# takes over from the snapshot, which then goes away.
# selection: debug
test_merge_takes_over_from_a_live_snapshot() {
	used_snapshot P
	dm_load orig "0 8192 snapshot-merge $o /dev/mapper/cow P 8"
	dmsetup load s --table "0 8192 error"
	dm_suspend orig --noflush
	dm_suspend s --noflush
	dm_resume orig
	dm_resume s
	dm_remove s
	snapshot_holds /dev/mapper/orig before
	wait_for merge_is_done orig
	snapshot_holds /dev/mapper/orig before
	dm_reload orig "0 8192 snapshot-origin $o"
	snapshot_holds $o before
	store_is /dev/mapper/cow "^valid .* entries=0 " --strict
}

test_merge_cannot_take_over_from_an_active_snapshot() {
	used_snapshot P
	dm_load orig "0 8192 snapshot-merge $o /dev/mapper/cow P 8"
	dm_suspend orig
	check_fails dm_resume orig --with "nvalid argument"
	# The table is in place by now, but stands still: back to the old one.
	dm_load orig "0 8192 snapshot-origin $o"
	dm_resume orig
	check_eq "$(dm_table orig)" "0 8192 snapshot-origin $(major_minor $o)"
	check_eq "$(dm_status s)" "$status"
	goes_on /dev/mapper/s
}

test_reload_of_a_merge_goes_on_where_it_was() {
	local line="0 8192 snapshot-merge $o /dev/mapper/cow P 8"
	used_snapshot P
	dm_remove s orig
	dm_create orig "$line"
	dm_load orig "$line"
	dm_suspend orig
	dm_resume orig
	wait_for merge_is_done orig
	snapshot_holds /dev/mapper/orig before
	dm_remove orig
	snapshot_holds $o before
}

test_snapshot_goes_on_while_its_origin_changes_tables() {
	used_snapshot P
	dm_reload orig "0 8192 snapshot-origin $o"
	goes_on /dev/mapper/s
}
