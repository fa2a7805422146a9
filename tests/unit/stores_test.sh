#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# cowstore, pattern and dmparse.
set -u
. "$(dirname "$(readlink -f "$0")")/assert.sh"
PATH=$TOOLS:$PATH

it_formatted_store_has_the_bytes_that_every_kernel_wrote() {
	expect 0 "" cowstore format s --chunk 16 --size 1M
	same "536e4170010000000100000010000000" "$(head -c 16 s | od -An -tx1 | tr -d ' \n')"
	same 0 "$(tail -c +17 s | tr -d '\0' | wc -c)"
	expect 0 "valid chunk_sectors=16 entries=0" cowstore check s --strict
}

it_untouched_device_counts_as_fresh() {
	truncate -s 1M s
	expect 0 "fresh" cowstore check s
}

it_second_area_lies_behind_the_data_of_the_first() {
	expect 0 "" cowstore craft s --chunk 8 --size 4M --sequential 257
	expect 0 "entries=257 areas=2 next_free=260" cowstore check s --strict --origin-sectors 2056
	# entry 256: old 256 in chunk 259, first of the area in chunk 258
	same "256 259" "$(od -An -tu8 -j$((258 * 4096)) -N16 s | xargs)"
}

it_full_area_is_followed_by_an_empty_one() {
	expect 0 "" cowstore craft s --chunk 8 --size 4M --sequential 256
	expect 0 "entries=256 areas=2" cowstore check s --strict
}

it_check_finds_each_kind_of_damage() {
	local make="cowstore craft s --size 1M --chunk 8"
	$make --header magic=7 && expect 3 "magic 7" cowstore check s
	$make --header version=2 && expect 3 "version 2" cowstore check s
	$make --header valid=7 && expect 3 "valid is 7" cowstore check s
	$make --header chunk_size=0 && expect 3 "Chunk size is zero" cowstore check s
	$make --header chunk_size=12 && expect 3 "not a power of 2" cowstore check s
	$make --header chunk_size=0x80000000 && expect 3 "too high" cowstore check s
	$make --header chunk_size=4096 && expect 3 "no room for the first area" cowstore check s
	$make --entry 5:256 && expect 3 "area 0 entry 0 (old 5, new 256): new chunk is beyond" cowstore check s
	$make --entry 5:255 && expect 0 "entries=1" cowstore check s
	$make --entry 5:2 --entry 6:1 && expect 3 "area 0 entry 1 (old 6, new 1): new chunk is on a metadata" cowstore check s
	$make --entry 100:2 && expect 3 "old chunk is beyond the origin" cowstore check s --origin-sectors 800
	$make --entry 99:2 && expect 0 "" cowstore check s --origin-sectors 793
	$make --entry 5:2 --entry 6:3 --entry 5:4 && expect 3 "entry 2 (old 5, new 4): old chunk a second time" cowstore check s
	$make --entry 5:2 --entry 6:2 && expect 3 "new chunk a second time" cowstore check s
	cowstore craft s --chunk 8 --size $((258 * 4096)) --sequential 256 &&
		expect 3 "area 1: the chain goes on in chunk 258" cowstore check s
}

it_stale_entries_are_damage_only_for_the_strict() {
	cowstore craft s --size 1M --chunk 8 --entry 5:2 --entry-at 0:9=6:3
	expect 0 "entries=1 areas=1 next_free=3 stale_entries=1" cowstore check s
	expect 3 "1 entries behind the terminator" cowstore check s --strict
	cowstore craft s --size 1M --chunk 8 --area-fill 0=0 --entry 5:2
	expect 0 "" cowstore check s --strict
	cowstore craft s --size 1M --chunk 8 --area-fill 0=255
	expect 3 "beyond" cowstore check s
}

it_invalidated_store_is_not_damaged_but_says_so() {
	cowstore craft s --size 1M --chunk 8 --entry 5:2
	expect 0 "" cowstore invalidate s
	expect 0 "invalid" cowstore check s
	same "5 -> 2" "$(cowstore dump s | sed -n 's/^  0: //p')"
	truncate -s 1M fresh
	expect 4 "" cowstore invalidate fresh
}

it_filled_store_uses_every_chunk_once() {
	cowstore fill s --size 16M --chunk 8 --exceptions 3000 --origin-sectors 32000 --scattered 3
	expect 0 "entries=3000 areas=12 next_free=3013" cowstore check s --strict --origin-sectors 32000
	cowstore fill s --size 16M --chunk 8 --exceptions 4000 --origin-sectors 32000 --scattered 3
	same 4000 "$(cowstore dump s | sed -n 's/^  [0-9]*: \([0-9]*\) -> .*/\1/p' | sort -un | wc -l)"
	expect 4 "needs" cowstore fill s --chunk 8 --exceptions 4096 --origin-sectors 100000
	expect 2 "only" cowstore fill s --chunk 8 --exceptions 4001 --origin-sectors 32000
}

it_data_of_a_crafted_store_is_the_originals() {
	cowstore craft s --size 1M --chunk 8 --data --entry 7:3
	expect 0 "" pattern verify s --start 24 --sectors 8 --first 56
	expect 1 "expected the original pattern, found sector 56 of" pattern verify s --start 24 --sectors 8
}

it_json_names_versions_and_entries() {
	cowstore craft s --size 1M --chunk 8 --entry 7:3 --entry 8:2
	expect 0 '"entries":[[7,3],[8,2]],"damage":[]}' cowstore dump s --json
	cowstore dump s --json | python3 -m json.tool >/dev/null || exit 1
}

it_pattern_notices_every_changed_byte() {
	truncate -s 64K d
	expect 0 "" pattern write d
	expect 0 "" pattern verify d
	for at in 512 520 528 543 544 1000 1023; do
		cp d e
		break_byte e $at
		expect 1 "sector 1: expected the original pattern, found" pattern verify e
	done
	expect 1 "" pattern verify d --stamp 5
}

it_libdevmapper_parses_what_a_target_prints() {
	expect 0 "used_sectors=12" dmparse 12/20 3
	expect 0 "metadata_sectors=3" dmparse 12/20 3
	expect 0 "invalid=1" dmparse Invalid
	expect 0 "merge_failed=1" dmparse "Merge failed"
	expect 0 "overflow=1" dmparse Overflow
	expect 1 "refused" dmparse Nonsense
	same "total_sectors=20" "$(echo "12/20 3" | dmparse | grep total)"
}

it_usage_errors_give_two() {
	expect 2 "usage" cowstore
	expect 2 "unknown option" cowstore dump x --what
	expect 2 "usage" pattern paint x
	expect 2 "usage" stomper
	expect 2 "not a number" cowstore format s --chunk many
}

run_cases
