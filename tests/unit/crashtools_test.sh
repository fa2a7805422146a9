#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# logreplay and crashcheck as programs, on a log made by hand; what they compute
# is checked in write_log_test.cc and crash_sweep_test.cc.
set -u
. "$(dirname "$(readlink -f "$0")")/assert.sh"
PATH=$TOOLS:$PATH

le64() { # VALUES: little-endian
	local value
	for value; do
		printf '%016x' "$value" | sed 's/../& /g' | tr ' ' '\n' | tac | xargs printf '\\x%s'
	done | xargs -0 printf '%b'
}

super() { # NR_ENTRIES
	{ le64 $((0x6a736677736872)) 1 "$1" 512; head -c 480 /dev/zero; }
}
entry() { # SECTOR NR FLAGS MARK
	{ le64 "$1" "$2" "$3" ${#4}; printf '%s' "$4"; head -c $((480 - ${#4})) /dev/zero; }
}
pattern_data() { # SECTOR NR [STAMP]
	truncate -s $(($2 * 512)) data
	pattern write data --first "$1" --stamp "${3:-0}"
	cat data
}

# A disk of 64 sectors: the origin 0-31, a store with chunks of 2 from 32 on.
make_log() {
	cowstore format store --chunk 2 --size 32s
	{
		super 7
		entry 0 32 0 "" && pattern_data 0 32
		entry 32 32 0 "" && cat store
		entry 0 0 1 ""
		entry 0 0 8 "plan:seed=3,batch=1,origin=32,snaps=32,writable=0,max=4"
		entry 4 2 4 ""
		entry 0 0 1 ""
		entry 0 0 8 "$1"
		head -c 4096 /dev/zero
	} >log
}

it_list_and_points_say_what_the_log_holds() {
	make_log hello
	same "0 0 32 -,1 32 32 -,2 0 0 flush,3 0 0 mark plan:seed=3,batch=1,origin=32,snaps=32,writable=0,max=4,4 4 2 discard,5 0 0 flush,6 0 0 mark hello" \
		"$(logreplay list log | paste -sd,)"
	same "3 flush,4 mark,6 flush,7 mark" "$(logreplay points log | cut -d' ' -f1,2 | paste -sd,)"
}

it_replay_reaches_the_same_disk_in_one_step_and_in_many() {
	make_log hello
	truncate -s 32K one many
	expect 0 "replayed 0 to 7" logreplay replay log --to one
	for at in 0 1 2 3 4 5 6; do
		expect 0 "" logreplay replay log --to many --start $at --end $((at + 1))
	done
	cmp one many || exit 1
	expect 1 "2 of 32 sectors are wrong" pattern verify one --sectors 32
	expect 0 "" pattern verify one --start 6 --sectors 26
}

it_replay_with_drop_keeps_what_was_flushed() {
	make_log hello
	for seed in 1 2 3; do
		rm -f disk && truncate -s 32K disk
		expect 0 "" logreplay replay log --to disk --entries 4 --drop $seed --tear
		expect 0 "" pattern verify disk --sectors 32
	done
	expect 2 "--start must not be behind" logreplay replay log --to disk --start 3 --end 4 --drop 1
	expect 2 "--tear needs --drop" logreplay replay log --to disk --tear
	expect 2 "has 7 entries" logreplay replay log --to disk --entries 8
}

it_sweep_finds_the_lost_sectors_and_verify_agrees() {
	make_log hello
	expect 1 "after 5 entries: origin sector 4: expected the original pattern" crashcheck sweep log --cow 32:32
	truncate -s 32K disk
	logreplay replay log --to disk --entries 4
	expect 0 "faults=0" crashcheck verify disk --log log --entries 4 --cow 32:32
	logreplay replay log --to disk --start 4
	expect 1 "origin sector 4: expected" crashcheck verify disk --log log --entries 7 --cow 32:32
	expect 1 "snap0 sector 4: expected" crashcheck verify disk --log log --entries 7 --cow 32:32
}

it_verify_compares_what_a_snapshot_shows() {
	make_log hello
	truncate -s 32K disk
	logreplay replay log --to disk --entries 4
	truncate -s 16K shown
	pattern write shown
	expect 0 "faults=0" crashcheck verify disk --log log --entries 4 --cow 32:32 --seen shown
	pattern write shown --start 9 --sectors 1 --stamp 7
	expect 1 "seen as snap0, sector 9: expected" crashcheck verify disk --log log --entries 4 --cow 32:32 --seen shown
	expect 0 "faults=0" crashcheck verify disk --log log --entries 4 --cow 32:32 --seen none
}

it_sweep_refuses_a_log_without_a_plan() {
	make_log hello
	{ super 1; entry 0 0 8 "ack=1"; } >log
	expect 4 "no mark with a plan" crashcheck sweep log --cow 32:32
	head -c 4096 /dev/zero >log
	expect 4 "magic" crashcheck sweep log --cow 32:32
}

it_drive_follows_its_plan_and_says_where_to_go_on() {
	truncate -s 1M origin
	pattern write origin
	cp origin snap
	crashcheck drive --origin origin --snap snap:rw --mark none --batches 3 --batch 4 --seed 5 --buffered >out ||
		exit 1
	same "mark plan:seed=5,batch=4,first=1,max=128,align=1,snap_percent=30,origin=2048,snaps=2048,writable=1" "$(head -n 1 out)"
	same "mark ack=13,next=13" "$(tail -n 2 out | paste -sd,)"
	expect 1 "wrong" pattern verify origin
	cp snap merged
	expect 0 "merging=0" crashcheck drive --origin merged --snap 2048s --mark none --batches 2 --merging 0 --first 13 --buffered
}

run_cases
