# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A snapshot shows the origin exactly as it was, plus what was written to it,
# whatever else goes on.

# shellcheck source=tests/lib/stores.sh
. "$VM_REPO/tests/lib/stores.sh"

# ---- fio on the origin, readers on the snapshots ---------------------------

test_snapshot_keeps_the_origin_while_it_is_written() {
	make_origin 32
	make_snap snap P 32 40
	fio_verified /dev/mapper/origin 4k 12m crc32c &
	keep_pattern $! /dev/mapper/snap
	dm_remove snap origin
	check_ne "$(store_says /dev/test/snap-cow entries)" 0
	store_check /dev/test/snap-cow 65536
}

test_three_snapshots_of_all_kinds_and_chunk_sizes_keep_the_origin() {
	make_origin 32
	make_snap first P 8 40
	make_snap second PO 128 40
	# Shorter than the origin, and its end is part of a chunk.
	make_snap third N 32 40 40013
	fio_verified /dev/mapper/origin 64k 16m pattern --verify_pattern=%o &
	keep_pattern $! /dev/mapper/{first,second,third}
	fio_verified /dev/mapper/origin 4k 4m crc32c --randseed=7 &
	keep_pattern $! /dev/mapper/{first,second,third}
	dm_remove first second third
	store_check /dev/test/first-cow 65536
	store_check /dev/test/second-cow 65536
}

# selection: 6.1 debug
test_eight_snapshots_from_4k_to_512k_chunks_keep_the_origin() {
	local i=0 chunk kinds=(P PO N) snaps=()
	make_origin 16
	for chunk in 8 16 32 64 128 256 512 1024; do
		make_snap snap$chunk "${kinds[i++ % 3]}" "$chunk" 24
		snaps+=("/dev/mapper/snap$chunk")
	done
	fio_verified /dev/mapper/origin 16k 6m crc32c &
	keep_pattern $! "${snaps[@]}"
	dm_remove snap{8,16,32,64,128,256,512,1024}
	for chunk in 8 16 64 128 512 1024; do
		store_check /dev/test/snap$chunk-cow 32768
	done
}

test_snapshots_taken_one_after_the_other_keep_different_origins() {
	make_origin 16
	make_snap old P 16 24
	pattern write /dev/mapper/origin --start 4096 --sectors 8192 --stamp 2
	make_snap young PO 64 24
	fio_verified /dev/mapper/origin 8k 8m crc32c &
	keep_pattern $! /dev/mapper/old
	pattern verify /dev/mapper/young --sectors 4096
	pattern verify /dev/mapper/young --start 4096 --sectors 8192 --stamp 2
	pattern verify /dev/mapper/young --start 12288
}

# ---- the stomper on everything ---------------------------------------------

# selection: 6.1 debug
test_writable_snapshots_and_their_origin_are_exact_under_mixed_load() {
	make_origin 16
	make_snap first P 32 24
	make_snap second PO 8 24
	make_snap third N 256 24
	make_snap short P 64 24 20013
	stomper --origin /dev/mapper/origin --snap /dev/mapper/first:rw --snap /dev/mapper/second:rw \
		--snap /dev/mapper/third:rw --snap /dev/mapper/short:rw --equal-at-start \
		--seconds 5 --threads 6 --max-io 512k --align 512 --flush-every 64 --fua-every 50
	dm_remove first second third short
	store_check /dev/test/first-cow 32768
	store_check /dev/test/second-cow 32768
	store_check /dev/test/short-cow 32768
}

# The chunk is larger than most writes, and neighbours meet in it.
test_snapshots_of_large_chunks_are_exact_under_small_writes() {
	make_origin 16
	make_snap first P 2048 32
	make_snap second N 1024 32
	stomper --origin /dev/mapper/origin --snap /dev/mapper/first:rw --snap /dev/mapper/second:rw \
		--equal-at-start --seconds 3 --threads 6 --max-io 32k --align 512 --chunk 512k
	dm_remove first
	store_check /dev/test/first-cow 32768
}

# Every write covers whole chunks, so that none of the snapshots' own writes copies.
test_whole_chunk_writes_to_snapshots_are_exact() {
	make_origin 16
	make_snap first P 8 24
	make_snap second PO 8 24
	stomper --origin /dev/mapper/origin --snap /dev/mapper/first:rw --snap /dev/mapper/second:rw \
		--equal-at-start --seconds 3 --threads 6 --max-io 64k --align 4096 --chunk 4096
	dm_remove first second
	store_check /dev/test/first-cow 32768
	store_check /dev/test/second-cow 32768
}

test_devices_of_4096_byte_blocks_are_exact() {
	local name
	dev origin 16 blocksize=4096
	pattern write /dev/test/origin
	snap_origin origin /dev/test/origin
	for name in first second; do
		dev $name-cow 24 blocksize=4096
	done
	snap_create first /dev/test/origin /dev/test/first-cow P 8
	snap_create second /dev/test/origin /dev/test/second-cow N 64
	stomper --origin /dev/mapper/origin --snap /dev/mapper/first:rw --snap /dev/mapper/second:rw \
		--equal-at-start --seconds 3 --max-io 256k
	dm_remove first
	store_check /dev/test/first-cow 32768
}

test_volatile_write_caches_below_do_not_matter() {
	dev origin 16 cache_size=8
	pattern write /dev/test/origin
	snap_origin origin /dev/test/origin
	dev cow 24 cache_size=8
	snap_create snap /dev/test/origin /dev/test/cow P 32
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw --equal-at-start \
		--seconds 3 --max-io 256k --align 512 --flush-every 16
	dm_remove snap
	store_check /dev/test/cow 32768
}

# usage: stomp_with_threshold N
stomp_with_threshold() {
	echo "$1" >/sys/module/dm_snapshot/parameters/snapshot_cow_threshold
	make_origin 16
	make_snap first P 8 24
	make_snap second N 32 24
	make_snap third P 64 24
	# Each of these writes needs many runs.
	stomper --origin /dev/mapper/origin --snap /dev/mapper/first:rw --snap /dev/mapper/second:rw \
		--snap /dev/mapper/third --equal-at-start --seconds 4 --threads 8 --max-io 1M --align 512
	dm_remove first third
	store_check /dev/test/first-cow 32768
	store_check /dev/test/third-cow 32768
}

# selection: 6.1 debug
test_load_goes_on_with_one_copy_under_way_at_a_time() { stomp_with_threshold 1; }
test_load_goes_on_with_four_copies_under_way_at_a_time() { stomp_with_threshold 4; }

# ---- borders ---------------------------------------------------------------

# An origin whose last chunk is only 13 sectors long.
make_odd_origin() {
	dev base 16
	dm_linear odd /dev/test/base 0 $((16384 + 13))
	pattern write /dev/mapper/odd
	snap_origin origin /dev/mapper/odd
	dev snap-cow 24
	snap_create snap /dev/mapper/odd /dev/test/snap-cow "$1" 128
}

# usage: check_last_chunk TYPE
check_last_chunk() {
	make_odd_origin "$1"
	pattern write /dev/mapper/origin --start 16000 --sectors 397 --stamp 2
	pattern verify /dev/mapper/snap
	pattern verify /dev/mapper/origin --start 16000 --sectors 397 --stamp 2
	# Copied by now, and covered to its end.
	pattern write /dev/mapper/snap --start 16384 --sectors 13 --stamp 3
	pattern verify /dev/mapper/snap --start 16384 --sectors 13 --stamp 3
	pattern verify /dev/mapper/snap --sectors 16384
	pattern verify /dev/mapper/origin --start 16000 --sectors 397 --stamp 2
}

test_write_that_ends_in_the_last_partial_chunk_is_preserved() { check_last_chunk P; }
test_write_that_ends_in_the_last_partial_chunk_is_preserved_in_memory() { check_last_chunk N; }

test_first_write_to_the_last_partial_chunk_of_a_snapshot_stays_there() {
	make_odd_origin P
	pattern write /dev/mapper/snap --start 16384 --sectors 13 --stamp 3
	pattern write /dev/mapper/origin --start 16390 --sectors 7 --stamp 2
	pattern verify /dev/mapper/snap --start 16384 --sectors 13 --stamp 3
	pattern verify /dev/mapper/snap --sectors 16384
	pattern verify /dev/mapper/origin --sectors 16390
	pattern verify /dev/mapper/origin --start 16390 --sectors 7 --stamp 2
	dm_remove snap
	check_eq "$(store_says /dev/test/snap-cow entries)" 1
	snap_create snap /dev/mapper/odd /dev/test/snap-cow P 128
	pattern verify /dev/mapper/snap --start 16384 --sectors 13 --stamp 3
	pattern verify /dev/mapper/snap --sectors 16384
}

test_partial_last_chunk_is_exact_under_load() {
	make_odd_origin P
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw --equal-at-start \
		--seconds 2 --max-io 128k --align 512 --chunk 64k
	dm_remove snap
	store_check /dev/test/snap-cow 16397
}

test_overlapping_writers_of_the_origin_leave_the_snapshots_alone() {
	local start end=0 pid writers=()
	make_origin 16
	make_snap first P 32 24
	make_snap second N 128 24
	for start in 0 3000 6000 9000; do
		pattern write /dev/mapper/origin --start $start --sectors 12001 --stamp $((start + 2)) &
		writers+=($!)
		end=$((start + 12001))
	done
	for pid in "${writers[@]}"; do
		wait "$pid"
	done
	pattern verify /dev/mapper/first
	pattern verify /dev/mapper/second
	pattern verify /dev/mapper/origin --start $end
	pattern verify /dev/mapper/origin --sectors 3000 --stamp 2
}

# The second write finds its sectors preserved, and that is noted by units of 4 KiB, in
# pages for 128 MiB. What follows lies beside them, by itself, and 128 MiB behind them.
test_what_lies_beside_preserved_sectors_is_preserved_when_it_is_written() {
	local start nr stamp beside
	make_origin 136
	make_snap first P 1 8
	make_snap second N 16 8
	while read -r start nr; do
		for stamp in 2 3; do
			pattern write /dev/mapper/origin --start "$start" --sectors "$nr" --stamp $stamp
		done
		for beside in $((start - 1)) $((start + nr)); do
			pattern write /dev/mapper/origin --start "$beside" --sectors 1 --stamp 4
		done
		((start > 16000)) || pattern write /dev/mapper/origin --start $((start + 262144)) --sectors "$nr" --stamp 5
		pattern verify /dev/mapper/origin --start "$start" --sectors "$nr" --stamp 3
	done <<-'END'
		1600 1
		3204 8
		4000 8
		4811 90
		6400 1029
		9600 512
		262141 6
		262136 600
	END
	pattern verify /dev/mapper/first
	pattern verify /dev/mapper/second
	dm_remove second first
	store_check /dev/test/first-cow 278528
}

# Before it comes, all is noted as preserved; after that, nothing may be.
test_snapshot_that_joins_others_needs_its_own_copies() {
	make_origin 8
	make_snap old P 8 16
	pattern write /dev/mapper/origin --stamp 2
	pattern write /dev/mapper/origin --stamp 3
	make_snap young P 32 16
	pattern write /dev/mapper/origin --stamp 4
	pattern verify /dev/mapper/young --stamp 3
	# And one that comes when the last one is gone, too.
	dm_remove old young
	make_snap next N 8 16
	pattern write /dev/mapper/origin --stamp 5
	pattern verify /dev/mapper/next --stamp 4
}

# ---- slow devices ----------------------------------------------------------

# /dev/mapper/slow shows an origin of 8 MiB whose reads are held.
# usage: make_slow_origin [TYPE]
make_slow_origin() {
	dev base 8
	pattern write /dev/test/base
	slow_dev slow /dev/test/base 0 0
	snap_origin origin /dev/mapper/slow
	dev snap-cow 16
	snap_create snap /dev/mapper/slow /dev/test/snap-cow "${1:-P}" 32
	hold_reads slow /dev/test/base
}

test_slow_read_of_a_snapshot_returns_old_data_though_the_origin_is_written() {
	local reader writer
	make_slow_origin
	pattern verify /dev/mapper/snap --start 64 --sectors 32 &
	reader=$!
	wait_for is_delaying slow
	pattern write /dev/mapper/origin --start 64 --sectors 32 --stamp 2 &
	writer=$!
	wait_for has_io origin
	let_go slow /dev/test/base
	wait $reader
	wait $writer
	pattern verify /dev/test/base --start 64 --sectors 32 --stamp 2
}

# No copy that takes as long as the read comes between here: the chunk gets its
# exception at once, and the origin must still not be written.
# usage: check_slow_read_holds_writes TYPE
check_slow_read_holds_writes() {
	local reader writer
	make_slow_origin "$1"
	pattern verify /dev/mapper/snap --start 64 --sectors 32 &
	reader=$!
	wait_for is_delaying slow
	pattern write /dev/mapper/snap --start 64 --sectors 32 --stamp 3
	pattern write /dev/mapper/origin --start 64 --sectors 32 --stamp 2 &
	writer=$!
	wait_for has_io origin
	# Writes are not held: it would be there soon. The read is still on its way.
	a_moment
	pattern verify /dev/test/base --start 64 --sectors 32
	is_delaying slow || fail "the read is over though nobody let it go"
	let_go slow /dev/test/base
	wait $reader
	wait $writer
	pattern verify /dev/mapper/snap --start 64 --sectors 32 --stamp 3
	pattern verify /dev/test/base --start 64 --sectors 32 --stamp 2
}

test_origin_write_waits_for_a_slow_read_though_the_chunk_has_an_exception() { check_slow_read_holds_writes P; }
test_origin_write_waits_for_a_slow_read_of_a_snapshot_in_memory() { check_slow_read_holds_writes N; }

# Writes to its COW device are held.
# usage: make_slow_snap TYPE CHUNK_SECTORS
make_slow_snap() {
	make_origin 8
	dev snap-cow 16
	slow_dev slow /dev/test/snap-cow 0 0
	snap_create snap /dev/test/origin /dev/mapper/slow "$1" "$2"
	hold_writes slow /dev/test/snap-cow
}

# usage: check_both_write_one_chunk TYPE
check_both_write_one_chunk() {
	local pid writers=()
	make_slow_snap "$1" 32
	pattern write /dev/mapper/snap --start 96 --sectors 32 --stamp 3 &
	writers+=($!)
	wait_for is_delaying slow
	pattern write /dev/mapper/origin --start 96 --sectors 32 --stamp 2 &
	writers+=($!)
	wait_for has_io origin
	# It may still show the old data, but never the origin's new.
	pattern verify /dev/mapper/snap --start 96 --sectors 32 ||
		pattern verify /dev/mapper/snap --start 96 --sectors 32 --stamp 3
	let_go slow /dev/test/snap-cow
	for pid in "${writers[@]}"; do
		wait "$pid"
	done
	pattern verify /dev/mapper/snap --start 96 --sectors 32 --stamp 3
	pattern verify /dev/mapper/origin --start 96 --sectors 32 --stamp 2
	pattern verify /dev/mapper/snap --start 0 --sectors 96
	pattern verify /dev/mapper/snap --start 128
}

test_whole_chunk_snapshot_write_and_origin_write_of_one_chunk_both_arrive() { check_both_write_one_chunk P; }
test_whole_chunk_snapshot_write_and_origin_write_in_memory_both_arrive() { check_both_write_one_chunk N; }

test_origin_write_waits_for_the_copy() {
	local writer
	make_slow_snap P 32
	pattern write /dev/mapper/origin --start 96 --sectors 8 --stamp 2 &
	writer=$!
	wait_for is_delaying slow
	# The origin's own disk: nothing of the write may be there yet.
	pattern verify /dev/test/origin
	kill -0 $writer || fail "the write was over before its chunk was copied"
	# The snapshot can be read meanwhile, and other chunks can be written.
	pattern verify /dev/mapper/snap
	let_go slow /dev/test/snap-cow
	wait $writer
	pattern verify /dev/mapper/origin --start 96 --sectors 8 --stamp 2
	pattern verify /dev/mapper/snap
}

test_snapshot_writes_into_a_chunk_that_the_origin_copies_meet_it_there() {
	local pid writers=()
	make_slow_snap P 64
	pattern write /dev/mapper/origin --start 128 --sectors 64 --stamp 2 &
	writers+=($!)
	wait_for is_delaying slow
	pattern write /dev/mapper/snap --start 130 --sectors 4 --stamp 3 &
	writers+=($!)
	pattern write /dev/mapper/snap --start 150 --sectors 100 --stamp 4 &
	writers+=($!)
	wait_for has_io snap
	let_go slow /dev/test/snap-cow
	for pid in "${writers[@]}"; do
		wait "$pid"
	done
	pattern verify /dev/mapper/origin --start 128 --sectors 64 --stamp 2
	pattern verify /dev/mapper/snap --sectors 130
	pattern verify /dev/mapper/snap --start 130 --sectors 4 --stamp 3
	pattern verify /dev/mapper/snap --start 134 --sectors 16
	pattern verify /dev/mapper/snap --start 150 --sectors 100 --stamp 4
	pattern verify /dev/mapper/snap --start 250
}

# selection: 6.1 debug
test_slow_copies_of_several_snapshots_are_exact_under_load() {
	make_origin 8
	dev first-cow 16
	dev second-cow 16
	slow_dev slow-first /dev/test/first-cow 3 20
	slow_dev slow-second /dev/test/second-cow 0 5
	snap_create first /dev/test/origin /dev/mapper/slow-first P 32
	snap_create second /dev/test/origin /dev/mapper/slow-second N 128
	stomper --origin /dev/mapper/origin --snap /dev/mapper/first:rw --snap /dev/mapper/second:rw \
		--equal-at-start --seconds 4 --threads 8 --max-io 256k --align 512
	dm_remove first
	store_check /dev/test/first-cow 16384
}

# ---- stacks ----------------------------------------------------------------

test_snapshot_of_a_snapshot_is_exact() {
	make_origin 8
	make_snap lower P 32 16
	snap_origin upper-origin /dev/mapper/lower
	dev upper-cow 16
	snap_create upper /dev/mapper/lower /dev/test/upper-cow P 16
	stomper --origin /dev/mapper/origin --snap /dev/mapper/upper-origin:rw --snap /dev/mapper/upper:rw \
		--equal-at-start --seconds 3 --max-io 256k --align 512
	dm_remove upper upper-origin lower
	store_check /dev/test/upper-cow 16384
	store_check /dev/test/lower-cow 16384
}

test_snapshot_of_a_snapshot_origin_is_exact() {
	make_origin 8
	make_snap lower P 32 16
	snap_origin upper-origin /dev/mapper/origin
	dev upper-cow 16
	snap_create upper /dev/mapper/origin /dev/test/upper-cow P 64
	stomper --origin /dev/mapper/upper-origin --snap /dev/mapper/lower:rw --snap /dev/mapper/upper:rw \
		--equal-at-start --seconds 3 --max-io 256k --align 512
	dm_remove upper upper-origin lower
	store_check /dev/test/upper-cow 16384
	store_check /dev/test/lower-cow 16384
}

# The COW device of one snapshot is the origin of another.
test_snapshot_of_a_cow_device_is_exact() {
	make_origin 8
	dev cow 16
	snap_origin cow-origin /dev/test/cow
	snap_create snap /dev/test/origin /dev/mapper/cow-origin P 32
	dev cow-cow 24
	snap_create of-cow /dev/test/cow /dev/test/cow-cow N 64
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw --equal-at-start \
		--seconds 3 --max-io 256k --align 512
	# What the COW device was when its snapshot was taken: an empty store.
	check_eq "$(store_says /dev/mapper/of-cow entries)" 0
	check_ne "$(store_says /dev/test/cow entries)" 0
	dm_remove snap
	store_check /dev/test/cow 16384
}

# The COW device of one snapshot is another snapshot of the same origin, so that the copy of
# one has to wait for a commit of the other, also where both read the same chunks.
test_cow_device_on_another_snapshot_of_the_origin_is_exact() {
	local size before
	make_origin 8
	for size in 4k 64k 1M; do
		make_snap lower P 32 16
		cow_clear /dev/mapper/lower
		snap_create upper /dev/test/origin /dev/mapper/lower P 32
		before=$(head -c 4M /dev/mapper/upper | sha256sum)
		timeout 60 fio --name=change --filename=/dev/mapper/origin --size=4M --rw=randwrite \
			--bs="$size" --direct=1 --ioengine=libaio --iodepth=8 --minimal
		blockdev --flushbufs /dev/mapper/upper
		check_eq "$(head -c 4M /dev/mapper/upper | sha256sum)" "$before" "after writes of $size"
		check_match "$(dm_status upper)" '^[0-9]+/' "status after writes of $size"
		dm_remove upper lower
		dev_remove lower-cow
	done
}

test_origin_and_cow_on_one_disk_are_exact() {
	dev disk 32
	dm_linear base /dev/test/disk 0 16384
	dm_linear cow /dev/test/disk 16384 24576
	dm_linear cow2 /dev/test/disk 40960 24576
	pattern write /dev/mapper/base
	snap_origin origin /dev/mapper/base
	snap_create snap /dev/mapper/base /dev/mapper/cow P 32
	snap_create snap2 /dev/mapper/base /dev/mapper/cow2 P 128
	stomper --origin /dev/mapper/origin --snap /dev/mapper/snap:rw --snap /dev/mapper/snap2:rw \
		--equal-at-start --seconds 3 --max-io 256k --align 512
	dm_remove snap snap2
	store_check /dev/mapper/cow 16384
	store_check /dev/mapper/cow2 16384
}

# ---- file systems ----------------------------------------------------------

# usage: change_under_snapshot SNAPSHOT-MOUNT-OPTIONS
change_under_snapshot() {
	local top=$TEST_DIR/origin
	mount_on origin /dev/mapper/origin
	mkdir "$top/kept" "$top/gone"
	# Something with names and contents of all sizes.
	tar -C /usr/share -cf - bash-completion/completions 2>/dev/null | head -c 6000000 |
		tar -C "$top/gone" -xf - 2>/dev/null || true
	head -c 5000000 /dev/urandom >"$top/kept/large"
	cp "$top/kept/large" "$top/overwritten"
	(cd "$top" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$TEST_DIR/sums"
	(($(wc -l <"$TEST_DIR/sums") > 1)) || fail "there are no files"

	# Suspending freezes the file system, as LVM2 does it.
	dm_suspend origin
	snap_create snap /dev/test/origin /dev/test/cow P 16
	dm_resume origin
	mount_on snap /dev/mapper/snap -o "$1"

	rm -rf "$top/gone"
	head -c 5000000 /dev/urandom | dd of="$top/overwritten" bs=64k conv=notrunc,fsync status=none
	dd if=/dev/urandom of="$top/new" bs=1M count=12 conv=fsync status=none
	truncate -s 10000 "$top/kept/large"
	sync -f "$top"
	(cd "$TEST_DIR/snap" && sha256sum --quiet -c "$TEST_DIR/sums")
	echo 3 >/proc/sys/vm/drop_caches
	(cd "$TEST_DIR/snap" && sha256sum --quiet -c "$TEST_DIR/sums")
	[[ ! -e $TEST_DIR/snap/new && ! -e $top/gone ]]
	umount "$TEST_DIR/snap" "$top"
}

test_ext4_on_the_snapshot_stays_as_it_was() {
	dev origin 48
	dev cow 64
	mkfs.ext4 -q /dev/test/origin
	snap_origin origin /dev/test/origin
	change_under_snapshot ro
	e2fsck -fn /dev/mapper/snap
	e2fsck -fn /dev/mapper/origin
	dm_remove snap
	store_check /dev/test/cow 98304
}

test_xfs_on_the_snapshot_stays_as_it_was() {
	[[ $VM_KERNEL != debug ]] || modprobe xfs || skip "no xfs in this kernel"
	dev origin 64
	dev cow 80
	mkfs.xfs --unsupported -q /dev/test/origin
	snap_origin origin /dev/test/origin
	change_under_snapshot ro,nouuid,norecovery
	# A frozen xfs keeps its log; replaying it writes to the snapshot.
	mount_on snap /dev/mapper/snap -o nouuid
	(cd "$TEST_DIR/snap" && sha256sum --quiet -c "$TEST_DIR/sums")
	umount "$TEST_DIR/snap"
	xfs_repair -n /dev/mapper/snap
	xfs_repair -n /dev/mapper/origin
	dm_remove snap
	store_check /dev/test/cow 131072
}
