# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Stores that no snapshot would have left behind, and those that a crash or an
# older kernel would. Damage is refused with a text that says what and where.

# shellcheck source=tests/lib/failures.sh
. "${BASH_SOURCE[0]%/*}/../lib/failures.sh"

readonly o=/dev/test/o c=/dev/test/c

devices() {
	dev o 4
	dev c 2
}

# A store that is refused, as a snapshot and as a merge.
# usage: damaged TEXT-IN-THE-LOG OPTION-OF-COWSTORE-CRAFT...
damaged() {
	cowstore craft $c --chunk 8 "${@:2}"
	log_mark
	refused "Corrupt exception store on the COW device; the kernel log says where (-EINVAL)" \
		"0 8192 snapshot $o $c P 8"
	check_match "$(log_since | grep -F 'corrupt exception store')" "$1"
}

test_entry_that_points_to_no_data_chunk_is_refused() {
	devices
	refusals_begin
	# 2 MiB are the chunks 0 to 511; areas are in 1, 258.
	damaged "area 0 entry 0 \(chunk 5 -> 512\): new chunk is beyond the COW device" --entry 5:512
	damaged "area 0 entry 1 \(chunk 6 -> 18446744073709551615\): new chunk is beyond" \
		--entry 5:2 --entry 6:0xffffffffffffffff
	damaged "area 0 entry 2 \(chunk 7 -> 1\): new chunk is on a metadata area" --entry 5:2 --entry 6:3 --entry 7:1
	damaged "area 0 entry 0 \(chunk 5 -> 258\): new chunk is on a metadata area" --entry 5:258
	damaged "area 1 entry 44 \(chunk 999 -> 600\): new chunk is beyond" --sequential 300 --entry 999:600
	refused "Corrupt" "0 8192 snapshot-merge $o $c P 8"
	refusals_end
}

test_entry_of_no_chunk_of_the_origin_is_refused() {
	devices
	refusals_begin
	damaged "area 0 entry 0 \(chunk 1024 -> 2\): old chunk is beyond the origin" --entry 1024:2
	damaged "area 0 entry 3 \(chunk 9223372036854775808 -> 5\): old chunk is beyond the origin" \
		--sequential 3 --entry 0x8000000000000000:5
	refusals_end
	# The last one is.
	cowstore craft $c --chunk 8 --entry 1023:2
	snap_create s $o $c P 8
}

test_chunk_named_twice_is_refused() {
	devices
	refusals_begin
	damaged "chunk 3 of the COW device is used twice" --entry 5:2 --entry 6:3 --entry 9:3
	damaged "chunk 6 of the origin has two exceptions" --entry 5:2 --entry 6:4 --entry 6:5
	damaged "used twice" --sequential 300 --entry 999:2
	damaged "chunk 0 of the origin has two exceptions" --sequential 300 --entry 0:400
	# In the middle of a run, and a run over another.
	damaged "two exceptions" --entry 10:10 --entry 11:11 --entry 12:12 --entry 11:20
	damaged "used twice" --entry 10:10 --entry 11:11 --entry 12:12 --entry 20:11
	damaged "two exceptions" --entry 11:20 --entry 10:10 --entry 11:11 --entry 12:12
	refusals_end
}

test_chain_of_areas_that_runs_off_the_device_is_refused() {
	dev o 4
	dev big 2
	# The header, one area and its 256 chunks, but no area behind them.
	dm_linear c /dev/test/big 0 $((258 * 8))
	refusals_begin
	cowstore craft /dev/mapper/c --chunk 8 --sequential 256
	log_mark
	refused "Corrupt" "0 8192 snapshot $o /dev/mapper/c P 8"
	check_match "$(log_since | grep -F 'corrupt exception store')" \
		"area 0 is full and the next one would lie beyond the end of the device"
	refusals_end
	# One entry less is a store.
	cowstore craft /dev/mapper/c --chunk 8 --sequential 255
	snap_create s $o /dev/mapper/c P 8
	check_eq "$(dm_status s)" "2056/2064 16"
}

test_random_garbage_in_an_area_is_refused() {
	devices
	refusals_begin
	damaged "corrupt" --area-fill 0=random:1
	damaged "corrupt" --area-fill 0=255
	damaged "area 1 entry 0 " --sequential 256 --area-fill 1=random:2
	refusals_end
}

test_what_is_no_store_is_refused_as_such() {
	devices
	refusals_begin
	cowstore craft $c --chunk 8 --header magic=1
	refused "holds no exception store: zero its first chunk to make a new one (-ENXIO)" "0 8192 snapshot $o $c P 8"
	pattern write $c
	refused "holds no exception store: zero its first chunk to make a new one (-ENXIO)" "0 8192 snapshot $o $c P 8"
	# Nothing was written to it.
	pattern verify $c
	cowstore craft $c --chunk 8 --header version=2
	log_mark
	refused "unknown version on the COW device (-EINVAL)" "0 8192 snapshot $o $c P 8"
	check_match "$(log_since)" "version 2, only version 1 is known"
	cowstore craft $c --chunk 8 --header version=0
	refused "unknown version on the COW device (-EINVAL)" "0 8192 snapshot $o $c P 8"
	refusals_end
}

test_impossible_chunk_size_in_the_header_is_refused() {
	devices
	dev big 2 blocksize=4096
	refusals_begin
	cowstore craft $c --chunk 8 --header chunk_size=0
	refused "Chunk size is zero (-EINVAL)" "0 8192 snapshot $o $c P 8"
	cowstore craft $c --chunk 8 --header chunk_size=24
	refused "power of 2 (-EINVAL)" "0 8192 snapshot $o $c P 8"
	cowstore craft $c --chunk 8 --header chunk_size=4194304
	refused "too high (-EINVAL)" "0 8192 snapshot $o $c P 8"
	cowstore craft $c --chunk 8 --header chunk_size=0x80000000
	refused "too high (-EINVAL)" "0 8192 snapshot $o $c P 8"
	cowstore craft /dev/test/big --chunk 8 --header chunk_size=4
	refused "blocksize (-EINVAL)" "0 8192 snapshot $o /dev/test/big P 8"
	cowstore craft $c --chunk 8 --header chunk_size=4096
	refused "too small" "0 8192 snapshot $o $c P 8"
	refusals_end
}

test_chunk_size_on_disk_wins_with_a_warning() {
	devices
	pattern write $o
	cowstore craft $c --chunk 8 --entry 100:5 --data
	log_mark
	snap_create s $o $c P 64
	check_match "$(log_since)" "chunks of 8 sectors, the table says 64"
	check_match "$(dm_table s)" " P 8$"
	check_eq "$(dm_status s)" "48/4096 16"
	pattern verify /dev/mapper/s
	dm_remove s
	# 0 says nothing.
	snap_create s $o $c P 0
	check_match "$(dm_table s)" " P 8$"
	check_eq "$(log_since | grep -c 'the table says')" 1 "warnings"
}

test_invalid_header_loads_as_invalid_whatever_is_in_the_areas() {
	devices
	cowstore craft $c --chunk 8 --sequential 5 --header valid=0
	snap_create s $o $c P 8
	snapshot_is_lost s
	dm_remove s
	cowstore craft $c --chunk 8 --header valid=0 --area-fill 0=255
	snap_create s $o $c PO 8
	snapshot_is_lost s
	snap_origin orig $o
	pattern write /dev/mapper/orig
	pattern verify $o
}

test_fresh_device_need_only_be_zeroed_in_its_first_chunk() {
	devices
	pattern write $o
	pattern write $c
	dd if=/dev/zero of=$c bs=4k count=1 oflag=direct status=none
	snap_create s $o $c P 16
	check_eq "$(dm_status s)" "32/4096 32"
	pattern verify /dev/mapper/s
	pattern write /dev/mapper/s --start 1000 --sectors 48 --stamp 1
	dm_remove s
	store_is $c "^valid chunk_sectors=16 entries=4 " --strict
	check_eq "$(dd if=$c bs=8k count=1 iflag=direct status=none | tail -c +17 | tr -d '\0' | wc -c)" 0 "bytes behind the header"
	# Behind the areas nothing was touched.
	pattern verify $c --start 96
}

# A device that holds an old store, of which only the header was zeroed.
test_old_entries_do_not_come_back_when_only_the_header_was_zeroed() {
	devices
	pattern write $o
	cowstore craft $c --chunk 1 --sequential 200:3000
	dd if=/dev/zero of=$c bs=512 count=1 oflag=direct status=none
	snap_create s $o $c P 1
	pattern verify /dev/mapper/s
	# Through area 0 (32 entries) and 1, on into 2.
	pattern write /dev/mapper/s --start 100 --sectors 70 --stamp 1
	dm_remove s
	store_is $c " entries=70 areas=3 " --strict
	snap_create s $o $c P 1
	pattern verify /dev/mapper/s --sectors 100
	pattern verify /dev/mapper/s --start 100 --sectors 70 --stamp 1
	pattern verify /dev/mapper/s --start 170
}

# A torn write left entries behind the terminator: at CRAFT's places. New entries
# must not connect to them.
# usage: stale_entries_stay_away CHUNK_SECTORS OPTION-OF-COWSTORE-CRAFT...
stale_entries_stay_away() {
	local chunk=$1
	shift
	pattern write $o
	# Something to see, should a stale entry come to life.
	pattern write $c --stamp 9
	cowstore craft $c --chunk "$chunk" --entry 1:2 --entry 2:3 --data "$@"
	check_match "$(cowstore check $c)" "stale_entries=[1-9]"
	snap_create s $o $c P "$chunk"
	check_eq "$(dm_status s)" "$((4 * chunk))/$(sectors $c) $((2 * chunk))"
	pattern verify /dev/mapper/s
	# Its entry comes next to the stale ones.
	pattern write /dev/mapper/s --start $((5 * chunk)) --sectors "$chunk" --stamp 1
	dm_remove s
	store_is $c " entries=3 .*stale_entries=0" --strict
	snap_create s $o $c P "$chunk"
	pattern verify /dev/mapper/s --sectors $((5 * chunk))
	pattern verify /dev/mapper/s --start $((5 * chunk)) --sectors "$chunk" --stamp 1
	pattern verify /dev/mapper/s --start $((6 * chunk))
}

test_stale_entries_behind_the_terminator_stay_away() {
	devices
	stale_entries_stay_away 8 --entry-at 0:3=20:8 --entry-at 0:4=21:9
}

test_stale_entries_at_the_end_of_the_area_stay_away() {
	devices
	stale_entries_stay_away 8 --entry-at 0:255=20:8
}

test_stale_entries_in_another_block_of_the_area_stay_away() {
	devices
	# 16 KiB are 1024 entries, 256 in a block of 4 KiB.
	stale_entries_stay_away 32 --entry-at 0:300=20:8 --entry-at 0:600=22:9
}

test_stale_entries_far_away_in_a_large_area_stay_away() {
	dev o 4
	dev c 8
	# 256 KiB are 16384 entries.
	stale_entries_stay_away 512 --entry-at 0:5000=4:8 --entry-at 0:16383=6:9
}

test_stale_garbage_is_no_damage() {
	devices
	pattern write $o
	cowstore craft $c --chunk 8 --area-fill 0=255 --entry 1:2 --entry-at 0:1=0:0 --data
	snap_create s $o $c P 8
	pattern verify /dev/mapper/s
	pattern write /dev/mapper/s --start 2000 --sectors 8 --stamp 1
	dm_remove s
	store_is $c " entries=2 .*stale_entries=0" --strict
}

# The area that a full one leads to was never zeroed by anybody.
test_stale_entries_in_the_next_area_stay_away() {
	devices
	pattern write $o
	cowstore craft $c --chunk 1 --sequential 31 --data --entry-at 1:0=3000:40 --entry-at 1:1=3001:41
	snap_create s $o $c P 1
	pattern verify /dev/mapper/s
	pattern write /dev/mapper/s --start 100 --sectors 1 --stamp 1
	dm_remove s
	store_is $c " entries=32 areas=2 .*stale_entries=0" --strict
	snap_create s $o $c P 1
	pattern verify /dev/mapper/s --sectors 100
	pattern verify /dev/mapper/s --start 101
}

test_merge_does_not_see_stale_entries() {
	devices
	pattern write $o
	pattern write $c --stamp 9
	cowstore craft $c --chunk 8 --entry 1:2 --entry 2:3 --data --entry-at 0:3=20:8
	dm_create orig "$(snap_merge_table $o $c P 8)"
	wait_for merge_is_done orig
	pattern verify /dev/mapper/orig
	dm_remove orig
	pattern verify $o
	store_is $c "^valid .* entries=0 "
}

# After a crash there may be holes; they are not used, and not damage.
test_store_with_holes_goes_on_above_its_highest_chunk() {
	devices
	pattern write $o
	cowstore craft $c --chunk 8 --data --entry 7:30 --entry 3:5 --entry 900:29
	snap_create s $o $c P 8
	check_eq "$(dm_status s)" "248/4096 16"
	pattern verify /dev/mapper/s
	pattern write /dev/mapper/s --start 4000 --sectors 8 --stamp 1
	dm_remove s
	check_match "$(cowstore dump $c)" "3: 500 -> 31"
}

test_next_chunk_after_a_load_steps_over_a_metadata_position() {
	devices
	cowstore craft $c --chunk 8 --sequential 255 --data
	check_match "$(cowstore dump $c)" "254: 254 -> 256"
	snap_create s $o $c P 8
	pattern write /dev/mapper/s --start 4000 --sectors 16 --stamp 1
	dm_remove s
	store_is $c " entries=257 areas=2 " --strict
	check_match "$(cowstore dump $c)" "255: 500 -> 257"
	check_match "$(cowstore dump $c)" "0: 501 -> 259"
}

test_cow_device_that_is_too_small_is_refused() {
	dev o 4
	dev big 1
	slices c /dev/test/big 1 8
	dm_linear d /dev/test/big 8 15
	dm_linear e /dev/test/big 32 16
	refusals_begin
	# Only the header fits, or not even that.
	refused "too small" "0 8192 snapshot $o /dev/mapper/c0 P 8"
	refused "too small" "0 8192 snapshot $o /dev/mapper/d P 8"
	refused "too small" "0 8192 snapshot $o /dev/mapper/c0 P 1024"
	refused "smaller than one chunk" "0 8192 snapshot $o /dev/mapper/c0 N 16"
	refusals_end
	# Nothing was written, and with room for an area and no data it is a store.
	check_match "$(cowstore check /dev/mapper/c0)" "^fresh"
	snap_create s $o /dev/mapper/e PO 8
	check_eq "$(dm_status s)" "16/16 16"
	write_fails /dev/mapper/s 0
	wait_for status_is s Overflow
}
