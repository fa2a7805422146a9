# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Sizes at their ends: the largest chunk, the smallest, the largest device, the last
# chunk of everything.

# shellcheck source=tests/lib/failures.sh
. "${BASH_SOURCE[0]%/*}/../lib/failures.sh"

readonly o=/dev/test/o c=/dev/test/c

# 1 GiB chunks. What is written would take as much memory, so the middle of what
# is large is a device that forgets: of each chunk only the first and the last 64 KiB
# are kept.
test_chunk_of_1_gib_works() {
	local gib=2097152 edge=128 i
	local -a table=()
	dev o 4096
	dev c 4096
	for ((i = 0; i < 4; i++)); do
		table+=("$((i * gib)) $edge linear $c $((i * gib))"
			"$((i * gib + edge)) $((gib - 2 * edge)) zero"
			"$(((i + 1) * gib - edge)) $edge linear $c $(((i + 1) * gib - edge))")
	done
	dm_create cow "${table[@]}"
	for i in $gib $((2 * gib - edge)); do
		pattern write $o --start "$i" --sectors $edge
	done
	snap_origin orig $o
	snap_create s $o /dev/mapper/cow P $gib
	check_eq "$(dm_status s)" "$((2 * gib))/$((4 * gib)) $((2 * gib))"
	pattern write /dev/mapper/orig --start $((gib + 5)) --sectors 3 --stamp 2
	check_eq "$(dm_status s)" "$((3 * gib))/$((4 * gib)) $((2 * gib))"
	pattern write /dev/mapper/s --start $((2 * gib - 9)) --sectors 4 --stamp 1
	dm_remove s
	store_is /dev/mapper/cow "^valid chunk_sectors=$gib entries=1 "
	snap_create s $o /dev/mapper/cow P $gib
	pattern verify /dev/mapper/s --start $gib --sectors $edge
	pattern verify /dev/mapper/s --start $((2 * gib - edge)) --sectors $((edge - 9))
	pattern verify /dev/mapper/s --start $((2 * gib - 9)) --sectors 4 --stamp 1
	pattern verify /dev/mapper/s --start $((2 * gib - 5)) --sectors 5
	pattern verify $o --start $((gib + 5)) --sectors 3 --stamp 2
}

# 16 TiB and chunks of 4 KiB: chunk numbers that end where 32 bits do; of 512 bytes:
# beyond.
far_end() {
	local chunk=$1 size=34359738368 place
	local -a places
	# The end, and the places it would be at if 32 bits of it were lost.
	places=($((size - 64)) $((size - 64 - 4294967296 * chunk)) 4294967232 0)
	((places[1] > 0)) || unset 'places[1]'
	dev o 16777216
	dev c 4
	for place in "${places[@]}"; do
		pattern write $o --start "$place" --sectors 64
	done
	snap_origin orig $o
	snap_create s $o $c P "$chunk"
	check_eq "$(sectors /dev/mapper/s)" $size
	pattern write /dev/mapper/orig --start $((size - 64)) --sectors 64 --stamp 2
	pattern write /dev/mapper/s --start $((size - 32)) --sectors 32 --stamp 1
	for place in "${places[@]:1}"; do
		pattern verify /dev/mapper/s --start "$place" --sectors 64
		pattern verify $o --start "$place" --sectors 64
	done
	far_end_holds
	dm_remove s
	store_is $c "^valid .* entries=$((64 / chunk)) " --strict --origin-sectors $size
	snap_create s $o $c P "$chunk"
	far_end_holds
	dm_remove s orig
	dm_create orig "$(snap_merge_table $o $c P "$chunk")"
	wait_for merge_is_done orig
	dm_remove orig
	pattern verify $o --start $((size - 32)) --sectors 32 --stamp 1
	pattern verify $o --start $((size - 64)) --sectors 32
	for place in "${places[@]:1}"; do
		pattern verify $o --start "$place" --sectors 64
	done
}

far_end_holds() {
	pattern verify /dev/mapper/s --start 34359738304 --sectors 32
	pattern verify /dev/mapper/s --start 34359738336 --sectors 32 --stamp 1
}

test_far_end_of_a_16_tib_origin_with_chunks_of_4_kib() { far_end 8; }

test_far_end_of_a_16_tib_origin_with_chunks_of_512_bytes() { far_end 1; }

test_origin_whose_size_is_no_multiple_of_the_chunk() {
	local store
	dev big 4
	dev c 4
	dm_linear o /dev/test/big 0 2055
	for store in "P 8" "PO 16" "N 128" "P 1"; do
		pattern write /dev/mapper/o
		cow_clear $c
		snap_origin orig /dev/mapper/o
		# shellcheck disable=SC2086
		snap_create s /dev/mapper/o $c $store
		pattern write /dev/mapper/orig --start 2040 --sectors 15 --stamp 2
		pattern verify /dev/mapper/s
		pattern verify /dev/mapper/o --start 2040 --sectors 15 --stamp 2
		# The last chunk: as a part, and as a whole as far as it is there.
		pattern write /dev/mapper/s --start 2053 --sectors 1 --stamp 1
		pattern verify /dev/mapper/s --sectors 2053
		pattern verify /dev/mapper/s --start 2053 --sectors 1 --stamp 1
		pattern verify /dev/mapper/s --start 2054
		dm_remove s orig
		[[ $store == N* ]] || store_is $c "^valid " --strict --origin-sectors 2055
	done
}

test_whole_write_of_a_last_chunk_that_is_partial_and_its_merge() {
	dev big 4
	dev c 4
	dm_linear o /dev/test/big 0 2055
	pattern write /dev/test/big
	snap_create s /dev/mapper/o $c P 8
	pattern write /dev/mapper/s --start 2048 --sectors 7 --stamp 1
	pattern verify /dev/mapper/s --start 2048 --sectors 7 --stamp 1
	dm_remove s
	dm_create orig "$(snap_merge_table /dev/mapper/o $c P 8)"
	wait_for merge_is_done orig
	dm_remove orig
	pattern verify /dev/test/big --sectors 2048
	pattern verify /dev/test/big --start 2048 --sectors 7 --stamp 1
	pattern verify /dev/test/big --start 2055
}

# usage: first_target_is_merged NAME, of a table with more than one
first_target_is_merged() { [[ $(dmsetup status "$1" | head -n 1) =~ \ ([0-9]+)/[0-9]+\ ([0-9]+) && ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" ]]; }

# What counts is the end of the target, not of the table that it is in.
test_last_chunk_that_is_partial_in_a_table_that_goes_on() {
	dev big 4
	dev more 4
	dev c 4
	dm_linear o /dev/test/big 0 2055
	pattern write /dev/test/big
	snap_origin orig /dev/mapper/o
	dm_create s "$(snap_table /dev/mapper/o $c P 8)" "2055 1024 linear /dev/test/more 0"
	pattern write /dev/mapper/orig --start 2050 --sectors 5 --stamp 1
	check_match "$(dmsetup status s | head -n 1)" " [0-9]+/[0-9]+ [0-9]+"
	pattern verify /dev/mapper/s --sectors 2055
	dm_remove s orig
	dm_create orig "$(snap_merge_table /dev/mapper/o $c P 8)" "2055 1024 linear /dev/test/more 0"
	wait_for first_target_is_merged orig
	dm_remove orig
	pattern verify /dev/test/big
}

# The rest of the COW device behind its last whole chunk is not used.
test_cow_device_whose_size_is_no_multiple_of_the_chunk() {
	local store room
	dev o 4
	dev big 4
	pattern write $o
	for store in P N; do
		# 10 chunks of 16 sectors and 15 sectors.
		pattern write /dev/test/big --stamp 9
		cow_clear /dev/test/big
		dm_linear c /dev/test/big 0 175
		snap_create s $o /dev/mapper/c $store 16
		room=8
		[[ $store == P ]] || room=10
		pattern write /dev/mapper/s --start 1600 --sectors $((room * 16)) --stamp 1
		check_match "$(dm_status s)" "^160/175 "
		write_fails /dev/mapper/s 4000 16
		wait_for status_is s Invalid
		dm_remove s c
		pattern verify /dev/test/big --start 160 --stamp 9
	done
}

test_devices_with_blocks_of_4_kib() {
	dev o 4 blocksize=4096
	dev c 4 blocksize=4096
	pattern write $o
	snap_origin orig $o
	snap_create s $o $c P 8
	check_eq "$(blockdev --getss /dev/mapper/s)" 4096
	pattern write /dev/mapper/orig --start 2048 --sectors 800 --stamp 2
	pattern write /dev/mapper/s --start 5000 --sectors 800 --stamp 1
	dm_remove s
	store_is $c "^valid chunk_sectors=8 entries=200 " --strict
	snap_create s $o $c P 8
	pattern verify /dev/mapper/s --sectors 5000
	pattern verify /dev/mapper/s --start 5000 --sectors 800 --stamp 1
	pattern verify /dev/mapper/s --start 5800
	dm_remove s orig
	cow_clear $c
	snap_create s $o $c P 0
	check_match "$(dm_table s)" " P 32$"
}

test_blocks_of_4_kib_on_one_side_only() {
	dev o 4
	dev c 4 blocksize=4096
	dev d 4
	pattern write $o
	snap_origin orig $o
	snap_create s $o $c PO 8
	pattern write /dev/mapper/orig --start 2048 --sectors 9 --stamp 2
	pattern verify /dev/mapper/s
	dm_remove s orig
	store_is $c "^valid .* entries=2 " --strict
	pattern write $c
	snap_origin orig $c
	snap_create s $c /dev/test/d P 8
	pattern write /dev/mapper/orig --start 2048 --sectors 16 --stamp 2
	pattern verify /dev/mapper/s
	dm_remove s
	store_is /dev/test/d "^valid .* entries=2 " --strict
}

# The formula: N exceptions take 1 + ceil((N + 1) / E) + N chunks. With chunks of 512
# bytes E is 32.
chunks_for() { echo $((1 + ($1 + 32) / 32 + $1)); }

# A device of so many chunks takes N exceptions, one after the other or at once, and
# not one more.
# usage: holds_exactly CHUNKS N one-by-one|at-once
holds_exactly() {
	local chunks=$1 nr=$2
	cow_clear /dev/test/big
	dm_linear c /dev/test/big 0 "$chunks"
	snap_create s $o /dev/mapper/c PO 1
	if [[ $3 == at-once ]]; then
		pattern write /dev/mapper/s --start 100 --sectors "$nr" --stamp 1
	else
		dd if=$o of=/dev/mapper/s bs=512 count="$nr" seek=100 oflag=direct iflag=direct status=none
	fi
	check_match "$(dm_status s)" "^[0-9]+/$chunks $((2 + nr / 32))$" "a COW device of $chunks chunks after $nr exceptions"
	write_fails /dev/mapper/s 5000 1
	wait_for status_is s Overflow
	dm_remove s
	store_is /dev/mapper/c "^valid .* entries=$nr areas=$((nr / 32 + 1)) " --strict
	snap_create s $o /dev/mapper/c PO 1
	if [[ $3 == at-once ]]; then
		pattern verify /dev/mapper/s --start 100 --sectors "$nr" --stamp 1
	else
		pattern verify /dev/mapper/s --start 100 --sectors "$nr" --first 0
	fi
	pattern verify /dev/mapper/s --start $((100 + nr))
	write_fails /dev/mapper/s 5000 1
	dm_remove s c
}

test_store_is_full_one_chunk_early_when_the_next_area_has_no_place() {
	dev o 4
	dev big 1
	pattern write $o
	check_eq "$(chunks_for 31) $(chunks_for 32) $(chunks_for 33)" "33 35 36"
	holds_exactly 33 31 one-by-one
	# One chunk more, which cannot be used: its entry would need another area.
	holds_exactly 34 31 one-by-one
	holds_exactly 34 31 at-once
	holds_exactly 35 32 one-by-one
	holds_exactly 35 32 at-once
}

test_store_is_filled_to_its_last_chunk_in_a_later_area() {
	dev o 4
	dev big 1
	pattern write $o
	holds_exactly "$(chunks_for 63)" 63 one-by-one
	holds_exactly $(($(chunks_for 63) + 1)) 63 at-once
	holds_exactly "$(chunks_for 64)" 64 at-once
	holds_exactly "$(chunks_for 80)" 80 at-once
}

test_full_store_grows_by_the_chunk_that_its_next_area_needs() {
	dev o 4
	dev big 1
	pattern write $o
	dm_linear c /dev/test/big 0 34
	snap_create s $o /dev/mapper/c PO 1
	pattern write /dev/mapper/s --start 100 --sectors 31 --stamp 1
	dm_reload c "0 36 linear /dev/test/big 0"
	pattern write /dev/mapper/s --start 131 --sectors 2 --stamp 1
	check_eq "$(dm_status s)" "36/36 3"
	write_fails /dev/mapper/s 5000 1
	dm_remove s
	store_is /dev/mapper/c "^valid .* entries=33 areas=2 " --strict
	snap_create s $o /dev/mapper/c PO 1
	pattern verify /dev/mapper/s --start 100 --sectors 33 --stamp 1
}

test_chunk_larger_than_the_devices_need() {
	dev o 1
	dev c 16
	pattern write $o
	snap_origin orig $o
	# The origin is half a chunk.
	snap_create s $o $c P 4096
	pattern write /dev/mapper/orig --start 1024 --sectors 8 --stamp 2
	pattern write /dev/mapper/s --start 7 --sectors 3 --stamp 1
	check_eq "$(dm_status s)" "12288/32768 8192"
	dm_remove s
	store_is $c "^valid chunk_sectors=4096 entries=1 " --strict
	snap_create s $o $c P 4096
	pattern verify /dev/mapper/s --sectors 7
	pattern verify /dev/mapper/s --start 7 --sectors 3 --stamp 1
	pattern verify /dev/mapper/s --start 10
}

# More than kcopyd could write at once; the tenth snapshot reads other chunks.
test_one_read_serves_more_snapshots_than_kcopyd_has_destinations() {
	local i concise=''
	dev o 1
	dev big 16
	pattern write $o
	snap_origin orig $o
	slices c /dev/test/big 10 2048
	for ((i = 0; i < 10; i++)); do
		concise+="s$i,,,rw,0 2048 snapshot $o /dev/mapper/c$i P $((i < 9 ? 8 : 64));"
	done
	dmsetup create --concise "${concise%;}"
	pattern write /dev/mapper/orig --start 1001 --sectors 100 --stamp 2
	for ((i = 0; i < 10; i++)); do
		pattern verify /dev/mapper/s$i
	done
	check_eq "$(dm_status s8)" "$(dm_status s0)"
}

# Each load makes what the origin needs where there is none yet; one of them is used.
# selection: debug
test_first_snapshots_of_an_origin_may_be_loaded_at_the_same_moment() {
	local i pid loads=()
	dev o 4
	pattern write /dev/test/o
	for i in {1..6}; do
		dev "c$i" 4
	done
	for i in {1..6}; do
		snap_create "s$i" /dev/test/o "/dev/test/c$i" N 8 &
		loads+=($!)
	done
	for pid in "${loads[@]}"; do
		wait "$pid" || fail "a snapshot was refused"
	done
	snap_origin orig /dev/test/o
	pattern write /dev/mapper/orig --stamp 2
	for i in {1..6}; do
		pattern verify "/dev/mapper/s$i"
	done
}
