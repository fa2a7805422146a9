# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Messages to snapshot and snapshot-merge.

# shellcheck source=tests/lib/space.sh
. "$VM_REPO/tests/lib/space.sh"

# usage: refuses TEXT NAME WORD...
refuses() { check_fails dmsetup message "$2" 0 "${@:3}" --with "$1"; }

test_unknown_and_malformed_messages_are_refused_with_a_reason() {
	small_snapshot P
	refuses "unknown message, or a wrong number of words: 'hello'" s hello
	refuses "unknown message, or a wrong number of words: 'stats'" s stats now
	refuses "unknown message, or a wrong number of words: 'low_water_mark'" s low_water_mark
	refuses "unknown message, or a wrong number of words: 'low_water_mark'" s low_water_mark 1 2
	refuses "message low_water_mark: 'x' is not a number" s low_water_mark x
	refuses "message low_water_mark: '1s' is not a number" s low_water_mark 1s
	refuses "unknown message, or a wrong number of words: 'no_space'" s no_space
	refuses "queue or fail is expected, not 'wait'" s no_space wait
	refuses "this is not a snapshot-merge" s merge pause
	check_fails dmsetup message orig 0 stats
	dm_remove s
	dm_reload orig "$(snap_merge_table /dev/test/o /dev/mapper/cow P 8)"
	refuses "pause, resume or rate <KiB/s> is expected" orig merge
	refuses "pause, resume or rate <KiB/s> is expected" orig merge stop
	refuses "pause, resume or rate <KiB/s> is expected" orig merge pause now
	refuses "pause, resume or rate <KiB/s> is expected" orig merge rate
	refuses "message merge rate: 'fast' is not a number" orig merge rate fast
	refuses "at most 1099511627776 KiB/s" orig merge rate 1099511627777
	refuses "unknown message, or a wrong number of words: 'hello'" orig hello
}

test_stats_count_what_a_snapshot_does() {
	small_snapshot P
	check_match "$(dm_message s stats)" \
		"^allocated=16 total=128 metadata=16 invalid=0 overflow=0 low_water_mark=0 low_water=0 no_space=fail waits_for_space=0 .* exceptions=0 copies=0 copied_bytes=0 shared_copies=0 commits=0 waits=0 wait_ns=0 .* latency_us_log2=0$"
	# A copy of two chunks; a write of a whole chunk, which is none; a part of a chunk.
	pattern write /dev/mapper/orig --start 80 --sectors 16 --stamp 2
	pattern write /dev/mapper/s --start 800 --sectors 8 --stamp 4
	pattern write /dev/mapper/s --start 1601 --sectors 2 --stamp 4
	check_eq "$(stat_of s exceptions)" 4
	check_eq "$(stat_of s copies)" 2
	check_eq "$(stat_of s copied_bytes)" $((3 * 4096))
	check_eq "$(stat_of s commits)" 3
	check_eq "$(stat_of s waits)" 2
	check_ne "$(stat_of s wait_ns)" 0
	check_ne "$(stat_of s fill_rate)" 0
	check_eq "$(stat_of s latency_us_log2 | tr , '\n' | awk '{ sum += $1 } END { print sum }')" 3
	# A reload goes on counting.
	dm_reload s "$(dm_table s)"
	check_eq "$(stat_of s copies)" 2
	pattern write /dev/mapper/orig --start 160 --sectors 8 --stamp 2
	check_eq "$(stat_of s copies)" 3
}

test_copies_for_several_snapshots_are_counted_as_shared() {
	small_snapshot P
	dev c2 4
	snap_create other /dev/test/o /dev/test/c2 N 8
	pattern write /dev/mapper/orig --start 80 --sectors 8 --stamp 2
	check_eq "$(stat_of s shared_copies) $(stat_of other shared_copies)" "1 1"
	pattern write /dev/mapper/s --start 801 --sectors 1 --stamp 4
	check_eq "$(stat_of s copies) $(stat_of s shared_copies)" "2 1"
}

test_stats_of_a_lost_snapshot_are_answered() {
	small_snapshot P
	fill_cow
	pattern write /dev/mapper/orig --start 4096 --sectors 8 --stamp 3
	wait_for status_is s Invalid
	check_match "$(dm_message s stats)" "^allocated=128 total=128 metadata=16 invalid=1 "
	dm_remove s
	dm_create s "$snap_line_s"
	check_match "$(dm_message s stats)" " invalid=1 "
}

test_stats_of_a_table_that_waits_for_its_exceptions_are_answered() {
	small_snapshot P
	dm_create next "$(snap_table /dev/test/o /dev/mapper/cow P 8)" 2>/dev/null &&
		fail "it came alive though the other is not suspended"
	dm_remove s
	# The source is gone.
	! dmsetup info next >/dev/null 2>&1 || dm_message next stats >/dev/null
}

test_low_water_mark_is_set_and_printed() {
	small_snapshot P
	dm_message s low_water_mark 64
	check_match "$(dm_table s)" " P 8 2 low_water_mark 64$"
	check_eq "$(stat_of s low_water_mark) $(stat_of s low_water)" "64 0"
	dm_message s low_water_mark 112
	check_eq "$(stat_of s low_water)" 1
	dm_message s low_water_mark 0
	check_match "$(dm_table s)" " P 8$"
	check_eq "$(stat_of s low_water)" 0
}

# ---- merging ---------------------------------------------------------------

# selection: 6.1 debug
test_paused_merge_stands_still_until_it_is_resumed() {
	local before
	merge_begins rate 1024
	before=$(dm_events orig)
	dm_message orig merge pause
	dm_await orig "$before"
	check_eq "$(stat_of orig merge_paused) $(stat_of orig merge_done)" "1 0"
	before=$(dm_status orig)
	dm_message orig merge rate 0
	# As the slow merge would have moved on: two batches of it.
	pattern verify /dev/mapper/orig --stamp 4
	pattern write /dev/mapper/orig --sectors 4096 --stamp 4
	check_eq "$(dm_status orig)" "$before"
	dm_suspend orig
	dm_resume orig
	check_eq "$(stat_of orig merge_paused) $(dm_status orig)" "1 $before" "over a suspend"
	dm_reload orig "$(dm_table orig)"
	check_eq "$(stat_of orig merge_paused) $(dm_status orig)" "1 $before" "over a reload"
	dm_message orig merge resume
	merge_came_through
	check_eq "$(stat_of orig merge_paused) $(stat_of orig merge_done)" "0 1"
}

test_paused_merge_can_be_removed_and_goes_on_when_it_is_made_again() {
	merge_begins rate 1024
	dm_message orig merge pause
	dm_remove orig
	dm_create orig "$(snap_merge_table /dev/mapper/below /dev/mapper/cow P 8)"
	merge_came_through
}

# What has no place on the origin any more must not be forgotten.
test_merge_into_an_origin_that_shrank_fails_and_loses_nothing() {
	merge_begins rate 1024
	dm_message orig merge pause
	dm_reload below "0 8192 linear /dev/test/o 0"
	dm_message orig merge rate 0
	dm_message orig merge resume
	wait_for status_is orig "Merge failed"
	dm_reload below "0 65536 linear /dev/test/o 0"
	dm_reload orig "$(dm_table orig)"
	merge_came_through
}

# No more than that many sectors in that time, and what a batch may be ahead.
test_merge_keeps_to_its_rate() {
	local began from us
	merge_begins rate 2048
	check_eq "$(stat_of orig merge_rate)" 2048
	began=${EPOCHREALTIME/./}
	from=$(dm_status orig | cut -d/ -f1)
	wait_for merge_has_moved orig $((from - 8192))
	from=$((from - $(dm_status orig | cut -d/ -f1)))
	# Last: what a busy machine takes in between counts for the merge.
	us=$((${EPOCHREALTIME/./} - began))
	# 4096 sectors a second; two batches of a quarter of a second more.
	(((from - 2 * 1024) * 1000000 / 4096 <= us)) || fail "$from sectors in $us microseconds"
	dm_reload orig "$(dm_table orig)"
	check_eq "$(stat_of orig merge_rate)" 2048 "over a reload"
	dm_message orig merge rate 0
	merge_came_through
}

# The next batch would be due in minutes; the message ends that wait, and so does a suspend.
test_slow_merge_does_not_hold_up_anything() {
	merge_begins rate 1
	dm_suspend orig
	dm_resume orig
	pattern write /dev/mapper/orig --sectors 4096 --stamp 4
	dm_message orig merge pause
	wait_for stat_is orig merge_paused 1
	dm_message orig merge resume
	dm_message orig merge rate 0
	merge_came_through
}

# usage: merge_from_its_line FEATURE...; starts a merge of 32 MiB
merge_from_its_line() {
	dev o 32
	dev c 64
	pattern write /dev/test/o
	snap_origin orig /dev/test/o
	snap_create s /dev/test/o /dev/test/c P 8
	pattern write /dev/mapper/s --stamp 4
	dm_remove s
	dm_reload orig "$(snap_merge_table /dev/test/o /dev/test/c P 8) $# $*"
}

# selection: 6.1
test_merge_keeps_to_the_rate_of_its_line_from_the_start() {
	merge_from_its_line merge_rate 1024
	check_eq "$(stat_of orig merge_rate)" 1024
	check_match "$(dm_table orig)" " 2 merge_rate 1024$"
	# The first batch, and what has become due since.
	(($(dm_status orig | cut -d/ -f1) > 60000)) || fail "it began without a limit: $(dm_status orig)"
	dm_message orig merge rate 2048
	check_match "$(dm_table orig)" " 2 merge_rate 2048$"
	dm_reload orig "$(snap_merge_table /dev/test/o /dev/test/c P 8)"
	check_eq "$(stat_of orig merge_rate)" 2048 "over a reload of a line without it"
	dm_reload orig "$(snap_merge_table /dev/test/o /dev/test/c P 8) 2 merge_rate 1024"
	check_eq "$(stat_of orig merge_rate)" 1024 "as the new line says"
	dm_reload orig "$(snap_merge_table /dev/test/o /dev/test/c P 8) 2 merge_rate 0"
	check_match "$(dm_table orig)" " P 8$"
	merge_came_through
}

test_merge_with_a_pause_in_its_line_does_not_begin() {
	local before
	merge_from_its_line merge_paused
	before=$(dm_status orig)
	check_eq "$(stat_of orig merge_paused)" 1
	check_match "$(dm_table orig)" " 1 merge_paused$"
	pattern verify /dev/mapper/orig --stamp 4
	check_eq "$(dm_status orig)" "$before"
	dm_message orig merge resume
	check_match "$(dm_table orig)" " P 8$"
	merge_came_through
}

test_bad_merge_features_are_refused_with_a_reason() {
	local line="0 8192 snapshot-merge /dev/test/o /dev/test/c P 8"
	dev o 4
	dev c 4
	refusals_begin
	refused "merge_rate needs a number of KiB a second" "$line 1 merge_rate"
	refused "merge_rate needs a number of KiB a second" "$line 2 merge_rate fast"
	refused "merge_rate is too high" "$line 2 merge_rate 1099511627777"
	refusals_end
}
