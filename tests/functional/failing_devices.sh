# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Devices that fail or are slow, at each step at which a snapshot needs them. The
# table "What happens when something fails" in docs/design.md, line by line.

# shellcheck source=tests/lib/failures.sh
. "${BASH_SOURCE[0]%/*}/../lib/failures.sh"
# shellcheck source=tests/lib/stores.sh
. "${BASH_SOURCE[0]%/*}/../lib/stores.sh"

readonly cow_size=4096

# The origin /dev/mapper/o (on /dev/test/o) with the pattern, the COW device
# /dev/mapper/cow (on /dev/test/c), both of which can be made to fail in parts.
devices() {
	dev o 4
	dev c 4
	pattern write /dev/test/o
	dm_create o "0 8192 linear /dev/test/o 0"
	dm_create cow "0 $cow_size linear /dev/test/c 0"
}

# Some sectors of /dev/mapper/o or /dev/mapper/cow fail from now on; without, all
# is well again. WHAT is `error` or `writes`: only writes fail.
# usage: break_device o|cow [WHAT FIRST SECTORS]
break_device() {
	local under=/dev/test/o size=8192 first=${3-} nr=${4-}
	[[ $1 == o ]] || { under=/dev/test/c size=$cow_size; }
	local -a table=("0 $size linear $under 0")
	if (($# > 1)); then
		table=("$first $nr error")
		[[ $2 == error ]] || table=("$first $nr flakey $under $first 0 3600 1 error_writes")
		((first == 0)) || table=("0 $first linear $under 0" "${table[@]}")
		((first + nr == size)) ||
			table+=("$((first + nr)) $((size - first - nr)) linear $under $((first + nr))")
	fi
	dm_load "$1" "${table[@]}"
	dm_suspend "$1" --noflush --nolockfs
	dm_resume "$1"
}

# usage: snapshot s is made, chunks of 4 KiB unless said otherwise
snapshot() {
	devices
	snap_origin orig /dev/mapper/o
	snap_create s /dev/mapper/o /dev/mapper/cow "${1:-P}" "${2:-8}"
	events=$(dm_events s)
}

becomes_lost() {
	dm_await s "$events"
	snapshot_is_lost s
}

marked_invalid_on_disk() {
	dm_remove s
	store_is_marked_invalid /dev/test/c
}

origin_holds_2_at_2048() {
	pattern verify /dev/test/o --sectors 2048
	pattern verify /dev/test/o --start 2048 --sectors 8 --stamp 2
	pattern verify /dev/test/o --start 2056
}

test_unreadable_origin_costs_only_the_snapshots_that_copy_from_there() {
	dev c2 4
	snapshot P 64
	snap_create s2 /dev/mapper/o /dev/test/c2 P 8
	break_device o error 2056 8
	# Chunk 32 of s has the bad sectors, chunk 256 of s2 has not.
	pattern write /dev/mapper/orig --start 2048 --sectors 8 --stamp 2
	becomes_lost
	marked_invalid_on_disk
	break_device o
	pattern verify /dev/mapper/s2
	check_eq "$(dm_status s2)" "24/8192 16"
	origin_holds_2_at_2048
}

test_failed_read_of_the_user_is_only_the_users() {
	snapshot
	break_device o error 2056 8
	read_fails /dev/mapper/s 2056
	read_fails /dev/mapper/s 2040 64
	check_eq "$(dm_status s)" "16/4096 16"
	pattern verify /dev/mapper/s --sectors 2056
	break_device o
	pattern verify /dev/mapper/s
	check_eq "$(dm_events s)" "$events"
}

# selection: 6.1 debug
test_copy_that_cannot_be_written_costs_only_that_snapshot() {
	dev c2 4
	snapshot
	# Of the same chunk size: one read serves both.
	snap_create s2 /dev/mapper/o /dev/test/c2 P 8
	break_device cow error 16 8
	pattern write /dev/mapper/orig --start 2048 --sectors 8 --stamp 2
	becomes_lost
	origin_holds_2_at_2048
	pattern verify /dev/mapper/s2
	check_eq "$(dm_status s2)" "24/8192 16"
	marked_invalid_on_disk
	dm_remove s2
	store_is /dev/test/c2 "^valid .* entries=1 " --strict
}

test_copy_for_the_snapshots_own_write_that_fails_makes_it_invalid() {
	snapshot
	break_device cow error 16 8
	write_fails /dev/mapper/s 2049 2
	becomes_lost
	marked_invalid_on_disk
	pattern verify /dev/test/o
}

# selection: 6.1 debug
test_metadata_that_cannot_be_written_makes_it_invalid() {
	snapshot
	break_device cow writes 8 8
	pattern write /dev/mapper/orig --start 2048 --sectors 8 --stamp 2
	becomes_lost
	origin_holds_2_at_2048
	marked_invalid_on_disk
}

test_own_write_whose_metadata_cannot_be_written_is_not_acknowledged() {
	snapshot PO
	break_device cow writes 8 8
	write_fails /dev/mapper/s 2048
	becomes_lost
	marked_invalid_on_disk
	pattern verify /dev/test/o
}

test_header_that_cannot_be_marked_is_said_in_the_log_and_the_origin_goes_on() {
	snapshot
	break_device cow error 0 $cow_size
	log_mark
	pattern write /dev/mapper/orig --start 2048 --sectors 8 --stamp 2
	becomes_lost
	check_match "$(log_since)" "could not be marked invalid"
	origin_holds_2_at_2048
	pattern write /dev/mapper/orig --start 3000 --sectors 80 --stamp 3
}

# With chunks of 512 bytes areas hold 32 entries: this write fills several, of which
# area 2 is in chunk 67.
test_one_of_several_areas_that_cannot_be_written_makes_it_invalid() {
	snapshot P 1
	break_device cow writes 67 1
	pattern write /dev/mapper/orig --start 2048 --sectors 120 --stamp 2
	becomes_lost
	marked_invalid_on_disk
	pattern verify /dev/test/o --sectors 2048
	pattern verify /dev/test/o --start 2048 --sectors 120 --stamp 2
}

# With chunks of 512 bytes an area holds 32 entries and area 1 is in chunk 34.
test_next_area_that_cannot_be_zeroed_makes_it_invalid() {
	snapshot P 1
	break_device cow writes 34 1
	pattern write /dev/mapper/orig --start 2048 --sectors 31 --stamp 2
	check_eq "$(dm_status s)" "33/4096 2"
	pattern verify /dev/mapper/s
	check_eq "$(dm_events s)" "$events"
	pattern write /dev/mapper/orig --start 2079 --sectors 1 --stamp 2
	becomes_lost
	pattern verify /dev/test/o --start 2048 --sectors 32 --stamp 2
	marked_invalid_on_disk
}

test_whole_chunk_write_of_the_user_that_fails_leaves_the_snapshot_as_it_was() {
	snapshot
	break_device cow error 16 8
	write_fails /dev/mapper/s 2048
	check_match "$(dm_status s)" "^[0-9]+/4096 16$"
	pattern verify /dev/mapper/s
	check_eq "$(dm_events s)" "$events"
	# Elsewhere, and in the same chunk, it goes on.
	pattern write /dev/mapper/s --start 2048 --sectors 8 --stamp 1
	pattern write /dev/mapper/orig --start 2048 --sectors 16 --stamp 2
	break_device cow
	check_holds_1_at_2048 /dev/mapper/s
	dm_remove s
	store_is /dev/test/c "^valid .* entries=2 " --strict
	snap_create s /dev/mapper/o /dev/mapper/cow P 8
	check_holds_1_at_2048 /dev/mapper/s
}

check_holds_1_at_2048() {
	pattern verify "$1" --sectors 2048
	pattern verify "$1" --start 2048 --sectors 8 --stamp 1
	pattern verify "$1" --start 2056
}

test_exception_that_cannot_be_read_is_only_the_users_error() {
	snapshot
	pattern write /dev/mapper/s --start 2048 --sectors 16 --stamp 1
	break_device cow error 16 8
	read_fails /dev/mapper/s 2048
	write_fails /dev/mapper/s 2048
	pattern verify /dev/mapper/s --start 2056 --sectors 8 --stamp 1
	pattern verify /dev/mapper/s --sectors 2048
	check_eq "$(dm_status s)" "32/4096 16"
}

test_store_that_cannot_be_read_is_refused_with_a_reason() {
	devices
	cowstore craft /dev/test/c --chunk 8 --sequential 300 --data
	refusals_begin
	break_device cow error 0 8
	refused "read the header of the COW device (-EIO)" "0 8192 snapshot /dev/mapper/o /dev/mapper/cow P 8"
	break_device cow error 8 8
	refused "read the metadata on the COW device (-EIO)" "0 8192 snapshot /dev/mapper/o /dev/mapper/cow P 8"
	break_device cow error $((258 * 8)) 8
	refused "read the metadata on the COW device (-EIO)" "0 8192 snapshot /dev/mapper/o /dev/mapper/cow P 8"
	refused "read the metadata on the COW device (-EIO)" "0 8192 snapshot-merge /dev/mapper/o /dev/mapper/cow P 8"
	break_device cow
	cow_clear /dev/mapper/cow
	break_device cow writes 8 8
	refused "write a new exception store to the COW device (-EIO)" \
		"0 8192 snapshot /dev/mapper/o /dev/mapper/cow P 8"
	refusals_end
	break_device cow
	check_match "$(cowstore check /dev/test/c)" "^fresh" "after a failed format"
	cowstore craft /dev/test/c --chunk 8 --sequential 300 --data
	snap_create s /dev/mapper/o /dev/mapper/cow P 8
	pattern verify /dev/mapper/s
}

# ---- merge -----------------------------------------------------------------

# A store with own data: stamp 1 at 2048 (chunks 2, 3) and 4096 (chunks 4, 5).
merge_store() {
	snapshot
	pattern write /dev/mapper/s --start 2048 --sectors 16 --stamp 1
	pattern write /dev/mapper/s --start 4096 --sectors 16 --stamp 1
	dm_remove s orig
}

merge_fails() {
	local nr
	dm_create orig "$(snap_merge_table /dev/mapper/o /dev/mapper/cow P 8)"
	nr=$(dm_events orig)
	wait_for status_is orig "Merge failed"
	check_ne "$nr" "" "events"
	check_eq "$(dm_status orig | dmparse | grep failed)" "merge_failed=1"
	# The event of the failure was before or after nr was taken.
	((nr > 0)) || dm_await orig 0
}

# usage: merged_view_holds DEVICE [without CHUNK-AT-2048]
merged_view_holds() {
	pattern verify "$1" --sectors 2048
	[[ ${2-} == without ]] || pattern verify "$1" --start 2048 --sectors 8 --stamp 1
	pattern verify "$1" --start 2056 --sectors 8 --stamp 1
	pattern verify "$1" --start 2064 --sectors 2032
	pattern verify "$1" --start 4096 --sectors 16 --stamp 1
	pattern verify "$1" --start 4112
}

merge_again_is_done() {
	dm_remove orig
	dm_create orig "$(snap_merge_table /dev/mapper/o /dev/mapper/cow P 8)"
	wait_for merge_is_done orig
	merged_view_holds /dev/mapper/orig
	dm_remove orig
	merged_view_holds /dev/test/o
	store_is /dev/test/c "^valid .* entries=0 " --strict
}

test_merge_that_cannot_read_the_cow_device_fails_and_io_goes_on() {
	merge_store
	break_device cow error 16 8
	merge_fails
	merged_view_holds /dev/mapper/orig without
	read_fails /dev/mapper/orig 2048
	pattern write /dev/mapper/orig --start 2056 --sectors 4 --stamp 1
	pattern write /dev/mapper/orig --start 100 --sectors 4
	break_device cow
	merged_view_holds /dev/mapper/orig
	merge_again_is_done
}

test_merge_that_cannot_write_the_origin_fails_and_io_goes_on() {
	merge_store
	break_device o writes 2048 8
	merge_fails
	merged_view_holds /dev/mapper/orig
	pattern write /dev/mapper/orig --start 2048 --sectors 8 --stamp 1
	pattern write /dev/mapper/orig --start 4100 --sectors 4 --stamp 1
	break_device o
	merge_again_is_done
}

# Nobody knows what is on disk: writes to the batch fail, all else goes on.
test_merge_that_cannot_clear_its_metadata_fails_and_forbids_writes_to_the_batch() {
	merge_store
	break_device cow writes 8 8
	merge_fails
	merged_view_holds /dev/mapper/orig
	write_fails /dev/mapper/orig 2048
	pattern write /dev/mapper/orig --start 2064 --sectors 8
	break_device cow
	merged_view_holds /dev/mapper/orig
	merge_again_is_done
}

# With chunks of 512 bytes an area holds 32 entries: area 4 is in chunk 133, and
# its entry 2 is that of sector 2178.
test_merge_that_cannot_clear_one_of_several_areas_fails_and_can_be_done_again() {
	snapshot P 1
	pattern write /dev/mapper/s --start 2048 --sectors 200 --stamp 1
	dm_remove s orig
	break_device cow writes 133 1
	dm_create orig "$(snap_merge_table /dev/mapper/o /dev/mapper/cow P 1)"
	wait_for status_is orig "Merge failed"
	pattern verify /dev/mapper/orig --start 2048 --sectors 200 --stamp 1
	write_fails /dev/mapper/orig 2178 1
	break_device cow
	dm_remove orig
	dm_create orig "$(snap_merge_table /dev/mapper/o /dev/mapper/cow P 1)"
	wait_for merge_is_done orig
	pattern verify /dev/mapper/orig --sectors 2048
	pattern verify /dev/mapper/orig --start 2048 --sectors 200 --stamp 1
	pattern verify /dev/mapper/orig --start 2248
	dm_remove orig
	store_is /dev/test/c "^valid .* entries=0 " --strict
}

test_merge_failure_leaves_the_other_snapshots_alone() {
	merge_store
	dev c2 4
	snap_create s2 /dev/mapper/o /dev/test/c2 P 16
	break_device cow writes 8 8
	merge_fails
	pattern write /dev/mapper/orig --start 3000 --sectors 8 --stamp 4
	pattern verify /dev/mapper/s2
}

# ---- slow devices ----------------------------------------------------------

# usage: slow_cow MILLISECONDS: each write takes that long
slow_cow() {
	dm_reload cow "0 $cow_size delay /dev/test/c 0 0 /dev/test/c 0 $1"
}

test_origin_write_waits_for_a_slow_cow_device() {
	local began took
	snapshot
	slow_cow 500
	began=${EPOCHREALTIME/./}
	pattern write /dev/mapper/orig --start 2048 --sectors 8 --stamp 2
	took=$(((${EPOCHREALTIME/./} - began) / 1000))
	# The data and, after it, the metadata.
	((took >= 1000)) || fail "the write was over after $took ms, the copy takes 1000"
	slow_cow "$(held_ms)"
	began=${EPOCHREALTIME/./}
	pattern write /dev/mapper/orig --start 2048 --sectors 8 --stamp 2
	took=$(((${EPOCHREALTIME/./} - began) / 1000))
	((took < $(held_ms))) || fail "a second write took $took ms, it has nothing to wait for"
	pattern verify /dev/mapper/s
}

test_snapshot_is_removed_while_copies_to_a_slow_device_run() {
	local pid
	snapshot
	slow_cow 400
	pattern write /dev/mapper/orig --start 2048 --sectors 800 --stamp 2 &
	pid=$!
	wait_for busy s
	dm_remove s
	wait $pid
	pattern verify /dev/test/o --start 2048 --sectors 800 --stamp 2
	store_is /dev/test/c "^valid " --strict
}

# Chunks have been handed out: copies are under way.
busy() { [[ $(dm_status "$1") != "16/"* ]]; }

test_suspend_and_resume_while_copies_to_a_slow_device_run() {
	local pid
	snapshot
	slow_cow 400
	pattern write /dev/mapper/orig --start 2048 --sectors 800 --stamp 2 &
	pid=$!
	wait_for busy s
	dm_suspend s
	dm_suspend orig
	dm_resume orig
	dm_resume s
	wait $pid
	pattern verify /dev/test/o --start 2048 --sectors 800 --stamp 2
	pattern verify /dev/mapper/s
}

# selection: 6.1 debug
test_slow_origin_and_slow_cow_device_lose_nothing_under_load() {
	devices
	dm_reload o "0 8192 delay /dev/test/o 0 15 /dev/test/o 0 25"
	slow_cow 20
	snap_origin orig /dev/mapper/o
	snap_create s /dev/mapper/o /dev/mapper/cow P 8
	stomper --origin /dev/mapper/orig --snap /dev/mapper/s:rw --size 1M --threads 8 --ops 600 --seed 7 \
		--max-io 64K --align 512
	dm_remove s
	store_is /dev/test/c "^valid " --strict
}

# ---- devices that lie ------------------------------------------------------

# Writes are said to be done and are not: what was there is read, nothing hangs or
# warns.
test_cow_device_that_drops_writes_harms_nobody_else() {
	snapshot
	dm_reload cow "0 $cow_size flakey /dev/test/c 0 0 3600 1 drop_writes"
	pattern write /dev/mapper/orig --start 2048 --sectors 80 --stamp 2
	pattern write /dev/mapper/s --start 4096 --sectors 80 --stamp 1
	pattern verify /dev/test/o --start 2048 --sectors 80 --stamp 2
	pattern verify /dev/test/o --start 2128
	dm_remove s
	store_is /dev/test/c "^valid .* entries=0 " --strict
}

# selection: 6.1 debug
test_cow_device_that_vanishes_costs_the_snapshot_and_nothing_else() {
	snapshot
	pattern write /dev/mapper/orig --start 100 --sectors 80 --stamp 2
	dm_load cow "0 $cow_size error"
	dm_suspend cow --noflush --nolockfs
	dm_resume cow
	read_fails /dev/mapper/s 100
	pattern write /dev/mapper/orig --start 2048 --sectors 80 --stamp 2
	becomes_lost
	pattern verify /dev/test/o --start 100 --sectors 80 --stamp 2
	pattern verify /dev/test/o --start 2048 --sectors 80 --stamp 2
	dm_remove s orig
}
