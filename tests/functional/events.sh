# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Events and counters on generic netlink, and device-mapper's events beside them.

# shellcheck source=tests/lib/space.sh
. "$VM_REPO/tests/lib/space.sh"

heard=$TEST_DIR/heard

# usage: listen [OPTION-OF-SNAPEVENTS]...; returns when it listens
listen() {
	: >"$heard"
	snapevents listen --seconds $((60 * ${TEST_SLOWNESS:-1})) "$@" >"$heard" &
	listener=$!
	wait_for grep -q ready "$heard"
}

# Wait for the listener's end, which came by what it waits for.
heard_it() { wait "$listener" || fail "not heard, only: $(<"$heard")"; }

# What was heard, without repetition of who and when.
heard_events() { sed -n 's/^event=\([a-z_]*\) .*/\1/p' "$heard" | paste -sd' '; }

# usage: heard_of EVENT KEY
heard_of() {
	local line
	line=$(grep -m1 "^event=$1 " "$heard") || fail "no $1 among: $(<"$heard")"
	[[ " $line " =~ \ $2=([^ ]*)\  ]] || fail "$1 has no $2: $line"
	echo "${BASH_REMATCH[1]}"
}

# usage: dump_of NAME KEY
dump_of() {
	local line
	line=$(snapevents dump | grep -E "(^| )name=$1 ") || fail "no $1 in the dump"
	[[ " $line " =~ \ $2=([^ ]*)\  ]] || fail "the dump of $1 has no $2: $line"
	echo "${BASH_REMATCH[1]}"
}

# selection: 6.1 debug
test_waiting_for_space_and_finding_it_are_told() {
	local numbers
	small_snapshot P queue_if_no_space
	numbers=$(major_minor /dev/mapper/s)
	fill_cow
	listen --until space_found
	origin_write_waits 4096
	wait_for grep -q event=no_space "$heard"
	grow_cow 1024
	goes_on "$writer"
	heard_it
	check_eq "$(heard_events)" "no_space space_found"
	check_eq "$(heard_of no_space major):$(heard_of no_space minor)" "$numbers"
	check_eq "$(heard_of no_space name)" s
	check_eq "$(heard_of no_space allocated) $(heard_of no_space total) $(heard_of no_space metadata)" "128 128 16"
	check_eq "$(heard_of space_found total)" 1024
	(($(heard_of space_found time) > $(heard_of no_space time))) || fail "space was found before it was missed"
	check_eq "$(($(heard_of no_space flags) & 31))" $((8 + 16))
	! grep -q uuid= "$heard" || fail "a uuid that nobody gave"
}

test_uuid_and_a_new_name_are_told() {
	small_snapshot PO
	dm_remove s
	dmsetup create s -u SNAP-of-a-test --table "$snap_line_s"
	fill_cow
	dmsetup rename s renamed
	listen --until overflow
	write_fails /dev/mapper/renamed 3000
	heard_it
	check_eq "$(heard_events)" overflow
	check_eq "$(heard_of overflow uuid) $(heard_of overflow name)" "SNAP-of-a-test renamed"
	check_eq "$(($(heard_of overflow flags) & 3))" 2
}

test_invalid_is_told_to_both() {
	local nr
	small_snapshot P
	fill_cow
	nr=$(dm_events s)
	listen --until invalid
	pattern write /dev/mapper/orig --start 4096 --sectors 8 --stamp 3
	heard_it
	dm_await s "$nr"
	check_eq "$(heard_events)" invalid
	check_eq "$(dm_events s)" $((nr + 1))
	check_eq "$(dm_status s)" Invalid
	store_is_marked_invalid /dev/mapper/cow
	check_eq "$(($(heard_of invalid flags) & 3))" 1
}

# Told once a crossing: not again before there was more than the mark, or the device grew.
test_low_water_is_told_once_a_crossing() {
	local nr
	small_snapshot P low_water_mark 64
	nr=$(dm_events s)
	listen --until invalid
	pattern write /dev/mapper/orig --start 0 --sectors 40 --stamp 2
	check_eq "$(dm_events s)" "$nr" "events above the mark"
	pattern write /dev/mapper/orig --start 40 --sectors 8 --stamp 2
	dm_await s "$nr"
	check_eq "$(heard_of low_water allocated) $(heard_of low_water total)" "64 128"
	check_eq "$(heard_of low_water low_water) $(($(heard_of low_water flags) & 4))" "64 4"
	check_ne "$(heard_of low_water fill_rate)" 0
	nr=$((nr + 1))
	pattern write /dev/mapper/orig --start 48 --sectors 16 --stamp 2
	check_eq "$(dm_events s)" "$nr" "events below the mark"
	# Larger, but still below: told again.
	grow_cow 136
	pattern write /dev/mapper/orig --start 64 --sectors 8 --stamp 2
	dm_await s "$nr"
	nr=$((nr + 1))
	# Above the mark, and down to it again.
	grow_cow 256
	pattern write /dev/mapper/orig --start 72 --sectors 8 --stamp 2
	check_eq "$(dm_events s)" "$nr" "events above the mark"
	pattern write /dev/mapper/orig --start 80 --sectors 120 --stamp 2
	dm_await s "$nr"
	nr=$((nr + 1))
	# Another mark.
	dm_message s low_water_mark 32
	check_eq "$(dm_events s)" "$nr" "events above the mark"
	dm_message s low_water_mark 96
	dm_await s "$nr"
	pattern write /dev/mapper/orig --start 1000 --sectors 1000 --stamp 2
	heard_it
	# The last mark was met, and what came after that filled all of it.
	check_eq "$(heard_events)" "low_water low_water low_water low_water invalid"
	pattern verify /dev/test/o --start 1000 --sectors 1000 --stamp 2
}

test_table_that_comes_alive_below_its_mark_tells_so() {
	small_snapshot P low_water_mark 64
	pattern write /dev/mapper/orig --start 0 --sectors 80 --stamp 2
	dm_remove s
	listen --until low_water
	dm_create s "$snap_line_s"
	heard_it
	check_eq "$(heard_of low_water allocated)" 96
}

# What waits is counted; the counters move.
# selection: 6.1 debug
test_dump_counts_what_happens() {
	local writer
	small_snapshot P queue_if_no_space low_water_mark 8
	dev c2 4
	snap_create other /dev/test/o /dev/test/c2 N 8
	fill_cow
	check_eq "$(snapevents dump | wc -l)" 2
	check_eq "$(dump_of s allocated)/$(dump_of s total) $(dump_of s metadata)" "128/128 16"
	check_eq "$(dump_of s exceptions)" 14
	check_eq "$(dump_of s copied_bytes)" $((14 * 4096))
	check_ne "$(dump_of s copies)" 0
	check_eq "$(dump_of s shared_copies)" "$(dump_of s copies)"
	check_eq "$(dump_of s latency)" "$(dump_of s copies)"
	check_ne "$(dump_of s commits)" 0
	check_ne "$(dump_of s waits)" 0
	check_ne "$(dump_of s wait_ns)" 0
	check_eq "$(dump_of s low_water) $(dump_of other low_water)" "8 0"
	check_eq "$(dump_of s flags) $(dump_of other flags)" "$((4 + 16)) 0"
	check_eq "$(dump_of s space_waits) $(dump_of s space_wait_ns) $(dump_of s waiting)" "0 0 0"
	origin_write_waits 4096
	check_eq "$(dump_of s space_waits) $(dump_of s waiting) $(dump_of s flags)" "1 1 $((4 + 8 + 16))"
	grow_cow 1024
	goes_on "$writer"
	check_eq "$(dump_of s space_waits) $(dump_of s waiting) $(dump_of s flags)" "1 0 16"
	check_ne "$(dump_of s space_wait_ns)" 0
	# A reload goes on counting, and is there once.
	dm_suspend s
	check_eq "$(dump_of s flags)" $((16 + 32))
	dm_load s "$snap_line_s"
	dm_resume s
	check_eq "$(dump_of s exceptions) $(dump_of s space_waits)" "15 1"
	check_eq "$(snapevents dump | wc -l)" 2
	dm_remove s
	check_eq "$(snapevents dump | wc -l)" 1
}

test_dump_of_many_snapshots_has_each_once() {
	local i concise='' names
	dev o 4
	dev c 64
	slices c /dev/test/c 40 1024
	for i in {0..39}; do
		concise+="snapshot-with-a-name-of-some-length-$i,UUID-that-is-long-as-well-$i,,rw,0 8192 snapshot /dev/test/o /dev/mapper/c$i N 8;"
	done
	dmsetup create --concise "${concise%;}"
	names=$(snapevents dump | grep -o 'name=[^ ]*')
	check_eq "$(wc -l <<<"$names") $(sort -u <<<"$names" | wc -l)" "40 40"
	dmsetup remove snapshot-with-a-name-of-some-length-{0..39}
	dmsetup remove c{0..39}
}

test_dump_with_attributes_is_refused() {
	check_fails snapevents dump-with-attribute --with "refused: Invalid argument"
}

# selection: 6.1 debug
test_unprivileged_readers_get_nothing() {
	small_snapshot P
	check_fails setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all snapevents dump \
		--with "Operation not permitted"
	check_fails setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all snapevents listen --seconds 1 \
		--with "Operation not permitted"
	# Nor does root without the capability.
	check_fails setpriv --bounding-set=-net_admin --inh-caps=-all snapevents dump --with "Operation not permitted"
	check_fails setpriv --bounding-set=-net_admin --inh-caps=-all snapevents listen --seconds 1 \
		--with "Operation not permitted"
	# And nobody becomes privileged by a namespace of his own.
	check_fails unshare --user --map-root-user snapevents dump --with "Operation not permitted"
	check_fails unshare --user --map-root-user snapevents listen --seconds 1 --with "Operation not permitted"
	check_fails unshare --net snapevents dump
	snapevents dump | grep name=s >/dev/null
}

# selection: 6.1 debug
test_merge_tells_of_pause_progress_and_end() {
	listen --until merge_done
	merge_begins rate 4096
	wait_for grep -q event=merge_progress "$heard"
	dm_message orig merge pause
	wait_for grep -q event=merge_paused "$heard"
	check_eq "$(dump_of orig flags) $(dump_of orig merge_rate)" "$((64 + 512)) 4096"
	dm_message orig merge resume
	wait_for grep -q event=merge_resumed "$heard"
	dm_message orig merge rate 0
	heard_it
	check_match "$(heard_events)" "^merge_progress (merge_progress )*merge_paused merge_resumed (merge_progress )*merge_done$"
	check_eq "$(heard_of merge_done allocated)" "$(heard_of merge_done metadata)"
	(($(heard_of merge_progress allocated) > $(heard_of merge_done allocated))) || fail "no progress"
	check_eq "$(dump_of orig flags)" $((64 + 128))
	check_eq "$(dump_of orig exceptions)" 0
}

test_progress_of_a_merge_is_no_device_mapper_event() {
	local nr
	merge_begins rate 4096
	nr=$(dm_events orig)
	listen --until merge_progress
	heard_it
	check_eq "$(dm_events orig)" "$nr"
	check_ne "$(stat_of orig merge_done)" 1
	dm_message orig merge rate 0
	dm_await orig "$nr"
	wait_for merge_is_done orig
}

test_failed_merge_is_told() {
	merge_begins rate 1024
	listen --until merge_failed
	dm_reload below "0 $(sectors /dev/test/o) error"
	dm_message orig merge rate 0
	heard_it
	check_eq "$(($(heard_of merge_failed flags) & 256))" 256
	check_eq "$(dm_status orig)" "Merge failed"
}

# A reader that does not read loses events, and learns that; nobody else does.
test_reader_that_does_not_read_holds_up_nothing() {
	local i nr stuck
	small_snapshot P low_water_mark 112
	nr=$(dm_events s)
	snapevents listen --buffer 1 >"$TEST_DIR/stuck" 2>&1 &
	stuck=$!
	wait_for grep -q ready "$TEST_DIR/stuck"
	kill -STOP $stuck
	for i in {1..30}; do
		dm_message s low_water_mark $((112 + i % 2))
		dm_await s "$nr"
		nr=$(dm_events s)
	done
	pattern write /dev/mapper/orig --start 0 --sectors 80 --stamp 2
	pattern verify /dev/mapper/s
	kill -CONT $stuck
	! wait $stuck || fail "it did not learn that it lost events"
	check_match "$(<"$TEST_DIR/stuck")" "receive: No buffer space available"
}
