# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Every state that a crash could leave: all writes of a load are logged, and
# behind each write the disk is put together again, as it is then and with
# writes that were not flushed yet lost or torn. Each state is compared with
# what had been acknowledged; some are given to the kernel, too.
#
# selection: 6.1

# shellcheck source=tests/lib/stores.sh
. "$VM_REPO/tests/lib/stores.sh"
# shellcheck source=tests/lib/crashes.sh
. "$VM_REPO/tests/lib/crashes.sh"

# The figures that sweep closes with must be there and not small.
# usage: check_sweep MINIMAL_STATES [OPTION]...
check_sweep() {
	local said
	said=$(sweep "${@:2}") || fail "a crash would lose data: $said"
	echo "$said"
	[[ $said =~ states=([0-9]+)\ .*faults=0 ]] || fail "the sweep says '$said'"
	((BASH_REMATCH[1] >= $1)) || fail "only ${BASH_REMATCH[1]} states were looked at"
}

# Make the disk /dev/test/disk anew as a crash would have left it, with the parts
# /dev/mapper/base, cow0, ...
# usage: after_crash ENTRIES SEED; SEED 0: nothing is lost
after_crash() {
	local area i=0
	local -a drop=()
	(($2 == 0)) || drop=(--drop "$2" --tear)
	pattern write /dev/test/disk
	logreplay replay /dev/test/log --to /dev/test/disk --entries "$1" "${drop[@]}"
	dm_linear base /dev/test/disk 0 4096
	for area in "${areas[@]:2}"; do
		[[ $area != --cow ]] || continue
		dm_linear "cow$i" /dev/test/disk "${area%:*}" "${area#*:}"
		i=$((i + 1))
	done
}

# What the kernel shows must be what had been acknowledged.
# usage: check_seen ENTRIES DEVICE-OF-SNAPSHOT...
check_seen() {
	local device
	local -a seen=()
	for device in "${@:2}"; do seen+=(--seen "$device"); done
	crashcheck verify /dev/test/disk --log /dev/test/log --entries "$1" "${areas[@]:2}" "${seen[@]}" ||
		fail "the kernel shows something else after $1 entries"
}

create_snapshots() {
	snap_create snap0 /dev/mapper/base /dev/mapper/cow0 P 1
	snap_create snap1 /dev/mapper/base /dev/mapper/cow1 P 8
	snap_create snap2 /dev/mapper/base /dev/mapper/cow2 P 128
}

test_first_writes_survive_a_crash_behind_every_write() {
	local entries seed=0 i
	drive_first_writes 10
	check_sweep 1000 --drops 2

	for entries in $(writes_behind plan: 3); do
		after_crash "$entries" $seed
		snap_origin origin /dev/mapper/base
		create_snapshots
		check_seen "$entries" /dev/mapper/snap{0,1,2}

		# New entries go where the torn ones were.
		stomper --origin /dev/mapper/origin --snap /dev/mapper/snap0:rw --snap /dev/mapper/snap1:rw \
			--snap /dev/mapper/snap2 --ops 60 --max-io 16k --align 512 --read-percent 20 \
			--dump-state "$TEST_DIR/state"
		dm_remove snap0 snap1 snap2
		for i in 0 1 2; do store_check "/dev/mapper/cow$i" 4096; done
		create_snapshots
		stomper --origin /dev/mapper/origin --snap /dev/mapper/snap0 --snap /dev/mapper/snap1 \
			--snap /dev/mapper/snap2 --verify-only --load-state "$TEST_DIR/state"
		dm_remove snap0 snap1 snap2 origin base cow0 cow1 cow2
		seed=$((seed + 1))
	done
}

test_first_writes_survive_where_the_disk_knows_no_fua() {
	disk_knows_fua=''
	drive_first_writes 10
	check_sweep 1000 --drops 2
}

# usage: check_merge CHUNK_SECTORS
check_merge() {
	local entries seed=0 shown
	drive_merge 10 10 "$1"
	check_sweep 1000 --drops 2

	for entries in $(writes_behind merging= 3); do
		after_crash "$entries" $seed
		# The other snapshot first: the merge writes to its origin.
		snap_create snap1 /dev/mapper/base /dev/mapper/cow1 P 8
		dm_create origin "$(snap_merge_table /dev/mapper/base /dev/mapper/cow0 P "$1")"
		shown=$(contents /dev/mapper/origin)
		check_seen "$entries" /dev/mapper/origin /dev/mapper/snap1
		wait_for merge_is_done origin
		dm_remove origin snap1
		check_eq "$(contents /dev/mapper/base)" "$shown" "after the merge"
		check_eq "$(store_says /dev/mapper/cow0 entries)" 0
		store_check /dev/mapper/cow0 4096
		store_check /dev/mapper/cow1 4096
		dm_remove base cow0 cow1
		seed=$((seed + 1))
	done
}

test_a_merge_survives_a_crash_behind_every_write() { check_merge 1; }
test_a_merge_of_runs_that_lie_together_survives_a_crash_behind_every_write() { check_merge 8; }
test_a_merge_of_long_runs_survives_a_crash_behind_every_write() { check_merge 128; }

# On one disk, as above, the COW device's flush would make good for the origin's.
test_a_merge_makes_durable_what_it_copied_before_it_forgets_it() {
	local said
	dev disk 16
	dev log 64
	dev cow 24
	modprobe dm-log-writes
	dm_create logged "0 32768 log-writes /dev/test/disk /dev/test/log"
	cowstore fill /dev/test/cow --chunk 8 --exceptions 2000 --origin-sectors 32768 --data
	dm_create origin "$(snap_merge_table /dev/mapper/logged /dev/test/cow P 8)"
	wait_for merge_is_done origin
	dm_remove origin logged
	said=$(logreplay list /dev/test/log | awk '
		$3 > 0 { sum[index($4, "fua") > 0] += $3; dirty = 1 }
		index($4, "flush") { dirty = 0 }
		END { print sum[1] + 0, sum[0] + 0, dirty + 0 }')
	check_eq "$said" "16000 0 0" "sectors written with FUA, without, and what no flush follows:"
}
