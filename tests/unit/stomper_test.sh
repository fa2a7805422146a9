#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# stomper on files: they behave like an origin with perfect snapshots, until a
# case breaks one, and then stomper has to notice.
set -u
. "$(dirname "$(readlink -f "$0")")/assert.sh"
PATH=$TOOLS:$PATH

make_files() {
	truncate -s 4M origin
	pattern write origin
	cp origin s0
	head -c 3M origin >s1
}
devices=(--origin origin --snap s0:rw --snap s1 --buffered --align 512)
stomp() { stomper "${devices[@]}" "$@"; }

it_perfect_snapshots_pass() {
	make_files
	expect 0 "mismatches=0" stomp --ops 4000 --seed 3 --equal-at-start --flush-every 100 --fua-every 40
	expect 0 "" pattern verify s1
}

it_arbitrary_contents_pass_and_are_modelled() {
	head -c 2M /dev/urandom >origin
	cp origin s0
	cp origin s1
	expect 0 "mismatches=0" stomp --ops 1000 --dump-state state
	break_byte s1 700000
	expect 1 "MISMATCH snap1 (s1) sector 1367" stomp --verify-only --load-state state
}

it_zeroes_and_discards_are_modelled() {
	make_files
	expect 0 "mismatches=0" stomp --ops 3000 --zero-percent 20 --discard-percent 20 --dump-state state
	expect 0 "mismatches=0" stomp --verify-only --load-state state
}

it_a_byte_that_changes_under_load_is_noticed() {
	make_files
	stomper "${devices[@]}" --seconds 60 >out 2>&1 &
	local pid=$!
	for _ in $(seq 100); do # until the load runs
		[[ $(pattern verify origin | tail -n 1) == *"sectors are wrong"* ]] && break
		sleep 0.05
	done
	break_byte s1 1000000
	wait $pid
	same 1 $?
	expect 0 "MISMATCH snap1 (s1) sector 1953 under load: expected the original pattern" cat out
}

it_origin_data_in_a_snapshot_is_named_for_what_it_is() {
	make_files
	stomp --ops 2000 --seed 4 --dump-state state >/dev/null
	# what a snapshot that missed a copy shows: the new data of the origin
	local sector
	sector=$(pattern verify origin | sed -n 's/.* sector \([0-9]*\): .*device 0 seq.*/\1/p' | head -n 1)
	dd if=origin of=s1 bs=512 skip="$sector" seek="$sector" count=1 conv=notrunc status=none
	expect 1 "sector $sector as loaded: expected the original pattern, found run" stomp --verify-only --load-state state
	expect 1 "device 0 sequence" stomp --verify-only --load-state state
}

it_snapshot_that_starts_wrong_is_noticed() {
	make_files
	break_byte s0 4096
	expect 0 "" stomp --ops 10
	make_files
	break_byte s0 4096
	expect 1 "sector 8 at the start" stomp --ops 10 --equal-at-start
}

it_merged_device_is_compared_with_the_snapshots_model() {
	make_files
	expect 0 "" stomp --ops 2000 --dump-state state
	cp s0 merged
	expect 0 "mismatches=0" stomper --expect-merge merged:as=snap0 --ops 500 --load-state state --buffered --align 512
	cp origin merged
	expect 1 "MISMATCH" stomper --expect-merge merged:as=snap0 --ops 500 --load-state state --buffered --align 512
}

it_run_with_the_same_seed_goes_on_with_new_data() {
	make_files
	expect 0 "" stomp --ops 300 --seed 9 --dump-state state
	cp origin before
	expect 0 "" stomp --ops 300 --seed 9 --load-state state
	cmp -s origin before && exit 1
	expect 1 "MISMATCH" stomper --origin before --snap s0 --snap s1 --verify-only --load-state state --equal-at-start
}

it_small_end_of_a_device_is_stomped_too() {
	truncate -s $((1000 * 512)) origin
	pattern write origin
	cp origin s0
	head -c $((777 * 512)) origin >s1
	expect 0 "mismatches=0" stomp --ops 3000
	same origin "$(pattern verify origin --start 999 >/dev/null || echo origin)"
	expect 0 "" stomp --ops 300 --size 100s
}

it_device_that_fails_is_dropped_only_where_allowed() {
	make_files
	(
		ulimit -f 3072 # files end at 3 MiB: a write beyond gives EFBIG
		trap '' XFSZ
		truncate -s 3M small
		expect 0 "" stomper --origin s1 --snap origin:rw,mayoverflow --ops 3000 --buffered
		expect 0 "no more writes: snap0" stomper --origin s1 --snap s0:rw,mayoverflow --ops 3000 --buffered
		expect 0 "gone: snap0" stomper --origin s1 --snap s0:rw,mayfail --ops 3000 --buffered
		expect 4 "s0" stomper --origin s1 --snap s0:rw --ops 3000 --buffered
	)
}

killed_run() { # a run with a journal, killed while it works
	make_files
	stomper "${devices[@]}" --seconds 60 --journal journal --fua-every 30 --flush-every 20 "$@" >/dev/null 2>&1 &
	local pid=$!
	for _ in $(seq 200); do
		[[ $(stat -c %s journal 2>/dev/null || echo 0) -gt 100000 ]] && break
		sleep 0.05
	done
	kill -9 $pid
	wait $pid 2>/dev/null
}

it_journal_accepts_what_a_killed_run_left() {
	killed_run
	expect 0 "mismatches=0" stomp --check-journal journal
	[[ $(stomp --check-journal journal | sed -n 's/.*durable=\([0-9]*\).*/\1/p') -gt 100 ]]
}

it_journal_notices_lost_flushed_writes() {
	make_files
	cp origin old
	stomp --ops 2000 --journal journal >/dev/null
	expect 0 "mismatches=0" stomp --check-journal journal
	mv old origin
	expect 1 "MISMATCH origin" stomp --check-journal journal
}

it_journal_notices_a_changed_ro_snapshot() {
	killed_run
	break_byte s1 2000000
	expect 1 "MISMATCH snap1 (s1) sector 3906 after the crash: expected the original pattern" stomp --check-journal journal
}

it_journal_that_ends_in_part_of_a_record_is_read_up_to_it() {
	killed_run --zero-percent 5 --discard-percent 5
	head -c 20 /dev/urandom >>journal # written in part when the machine stopped
	expect 0 "" stomp --check-journal journal
}

run_cases
