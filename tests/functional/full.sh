# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A COW device without room: what the snapshot becomes, and that the origin never
# notices.
#
# selection: 6.1

# shellcheck source=tests/lib/space.sh
. "${BASH_SOURCE[0]%/*}/../lib/space.sh"

# All room is taken, half of it by the snapshot's own data.
fill_from_both_sides() {
	local own=$((small_cow / 2)) kept
	kept=$((small_cow - own))
	[[ $(dm_table s) == *" N "* ]] || kept=$((kept - 16))
	pattern write /dev/mapper/s --start 1024 --sectors $own --stamp 1
	pattern write /dev/mapper/orig --start 2048 --sectors $kept --stamp 2
	check_match "$(dm_status s)" "^128/128 " "the room is taken"
	check_eq "$(dm_events s)" "$events" "events while there was room"
}

# usage: origin_holds [START STAMP]: that and what fill_from_both_sides wrote
origin_holds() {
	local filled=64
	[[ $(dm_table s) == *" N "* ]] || filled=48
	pattern verify /dev/test/o --sectors 2048
	pattern verify /dev/test/o --start 2048 --sectors $filled --stamp 2
	(($# == 0)) || pattern verify /dev/test/o --start "$1" --sectors 8 --stamp "$2"
	pattern verify /dev/test/o --start 5000
}

reload_says_invalid() {
	dm_remove s
	store_is_marked_invalid /dev/mapper/cow
	store_is /dev/mapper/cow "^invalid "
	snap_create s /dev/test/o /dev/mapper/cow "$1" 8
	snapshot_is_lost s
	pattern write /dev/mapper/orig --start 4104 --sectors 8 --stamp 4
	pattern verify /dev/test/o --start 4104 --sectors 8 --stamp 4
}

snapshot_write_makes_it_invalid() {
	fill_from_both_sides
	write_fails /dev/mapper/s 3000
	dm_await s "$events"
	snapshot_is_lost s
	pattern write /dev/mapper/orig --start 4096 --sectors 8 --stamp 3
	origin_holds 4096 3
}

origin_write_makes_it_invalid() {
	fill_from_both_sides
	pattern write /dev/mapper/orig --start 4096 --sectors 8 --stamp 3
	dm_await s "$events"
	snapshot_is_lost s
	origin_holds 4096 3
}

test_write_to_a_full_p_snapshot_makes_it_invalid() {
	small_snapshot P
	snapshot_write_makes_it_invalid
	reload_says_invalid P
}

# selection: debug
test_origin_write_with_a_full_p_snapshot_makes_it_invalid() {
	small_snapshot P
	origin_write_makes_it_invalid
	reload_says_invalid P
}

test_write_to_a_full_n_snapshot_makes_it_invalid() {
	small_snapshot N
	snapshot_write_makes_it_invalid
}

test_origin_write_with_a_full_n_snapshot_makes_it_invalid() {
	small_snapshot N
	origin_write_makes_it_invalid
}

test_origin_write_with_a_full_po_snapshot_makes_it_invalid() {
	small_snapshot PO
	origin_write_makes_it_invalid
	reload_says_invalid PO
}

# What a full snapshot shows, as long as it is readable.
snapshot_holds() {
	pattern verify /dev/mapper/s --sectors 1024
	pattern verify /dev/mapper/s --start 1024 --sectors 64 --stamp 1
	pattern verify /dev/mapper/s --start 1088
}

# selection: debug
test_write_to_a_full_po_snapshot_overflows_it() {
	small_snapshot PO
	fill_from_both_sides
	write_fails /dev/mapper/s 3000
	dm_await s "$events"
	check_eq "$(dm_status s)" Overflow
	check_match "$(dm_status s | dmparse)" $'invalid=0\n.*\noverflow=1'
	snapshot_holds
	write_fails /dev/mapper/s 3000
	write_fails /dev/mapper/s 1024
	origin_holds
	# What has been preserved already may be written to the origin.
	pattern write /dev/mapper/orig --start 2048 --sectors 48 --stamp 2
	check_eq "$(dm_status s)" Overflow

	dm_remove s
	store_is /dev/mapper/cow "^valid .* entries=14 " --strict
	snap_create s /dev/test/o /dev/mapper/cow PO 8
	check_match "$(dm_status s)" "^128/128 16$"
	snapshot_holds
}

test_origin_write_with_an_overflowed_snapshot_makes_it_invalid() {
	small_snapshot PO
	fill_from_both_sides
	write_fails /dev/mapper/s 3000
	dm_await s "$events"
	events=$(dm_events s)
	pattern write /dev/mapper/orig --start 4096 --sectors 8 --stamp 3
	dm_await s "$events"
	snapshot_is_lost s
	origin_holds 4096 3
	reload_says_invalid PO
}

# Neither half of it may show in the origin or hang.
test_origin_write_that_fits_only_in_part_makes_the_snapshot_invalid() {
	small_snapshot P
	pattern write /dev/mapper/orig --start 2048 --sectors 1000 --stamp 2
	dm_await s "$events"
	snapshot_is_lost s
	pattern verify /dev/test/o --sectors 2048
	pattern verify /dev/test/o --start 2048 --sectors 1000 --stamp 2
	pattern verify /dev/test/o --start 3048
	reload_says_invalid P
}

test_origin_write_spares_the_snapshots_that_have_room() {
	small_snapshot PO
	dev c2 4
	snap_create s2 /dev/test/o /dev/test/c2 P 16
	fill_from_both_sides
	pattern write /dev/mapper/orig --start 4096 --sectors 8 --stamp 3
	dm_await s "$events"
	snapshot_is_lost s
	pattern verify /dev/mapper/s2
	origin_holds 4096 3
	dm_remove s2
	store_is /dev/test/c2 "^valid " --strict
}

# The size is read live.
test_cow_device_that_grew_has_room_at_once() {
	local store
	for store in P N; do
		small_snapshot $store
		fill_from_both_sides
		grow_cow 1024
		check_match "$(dm_status s)" "^128/1024 "
		pattern write /dev/mapper/s --start 3000 --sectors 8 --stamp 5
		pattern write /dev/mapper/orig --start 4096 --sectors 80 --stamp 3
		check_match "$(dm_status s)" "^2[0-9][0-9]/1024 "
		pattern verify /dev/mapper/s --sectors 1024
		pattern verify /dev/mapper/s --start 3000 --sectors 8 --stamp 5
		pattern verify /dev/mapper/s --start 3008
		check_eq "$(dm_events s)" "$events" "events while there was room"
		dm_remove s orig cow
		[[ $store == N ]] || store_is /dev/test/c "^valid .* entries=25 " --strict
		dev_remove o
		dev_remove c
	done
}

test_overflowed_snapshot_is_writable_again_after_growth_and_reload() {
	small_snapshot PO
	fill_from_both_sides
	write_fails /dev/mapper/s 3000
	dm_await s "$events"
	grow_cow 1024
	dm_reload s "$(dm_table s)"
	check_match "$(dm_status s)" "^128/1024 16$"
	snapshot_holds
	pattern write /dev/mapper/s --start 3000 --sectors 8 --stamp 5
	pattern verify /dev/mapper/s --start 3000 --sectors 8 --stamp 5
	dm_remove s
	store_is /dev/mapper/cow "^valid .* entries=15 " --strict
}

# Lost is lost: growth comes too late.
test_invalid_snapshot_stays_invalid_after_growth_and_reload() {
	small_snapshot P
	fill_from_both_sides
	pattern write /dev/mapper/orig --start 4096 --sectors 8 --stamp 3
	dm_await s "$events"
	grow_cow 1024
	dm_reload s "$(dm_table s)"
	snapshot_is_lost s
	reload_says_invalid P
}
