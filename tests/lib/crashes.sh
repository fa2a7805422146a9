# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A disk whose every write is logged, with an origin and COW devices on it, and
# the loads that crash tests put on them. To be sourced in the guest, after
# guest.sh.
#
#   /dev/test/disk   the disk, in the beginning full of its pattern, so that
#                    whatever is not written holds no zeroes by chance
#   /dev/test/log    the log of dm-log-writes, the target above the disk
#   /dev/mapper/flush_queue   sends flushes to the log one after the other
#   /dev/mapper/base, cow0, cow1...   its parts; with disk_knows_fua='' on a loop device in between,
#                    which knows no FUA
#
# shellcheck disable=SC2034 # disk_mib and areas are for those who source this

# The arguments that tell crashcheck where the parts are.
areas=()
disk_knows_fua=1
fua_hidden_by=''

# usage: make_logged ORIGIN_MIB COW_MIB...
make_logged() {
	local mib i=0 start=$(($1 * 2048)) whole=/dev/mapper/flush_queue
	disk_mib=0
	for mib; do disk_mib=$((disk_mib + mib)); done
	dev disk "$disk_mib"
	dev log 768
	pattern write /dev/test/disk
	modprobe dm-log-writes
	dm_create logged "0 $((disk_mib * 2048)) log-writes /dev/test/disk /dev/test/log"
	# dm-log-writes logs a completed write with the first flush that comes after it, and
	# that flush when it ends. With two under way, the second may be logged before the first
	# one and what it covers, and the log would tell of a flush that missed them.
	modprobe dm-delay
	dm_create flush_queue "0 $((disk_mib * 2048)) delay /dev/mapper/logged 0 0 /dev/mapper/logged 0 0 /dev/mapper/logged 0 1"
	if [[ ! $disk_knows_fua ]]; then
		whole=$(losetup --find --show --direct-io=on "$whole")
		fua_hidden_by=$whole
	fi
	check_eq "$(<"/sys/dev/block/$(major_minor "$whole")/queue/fua")" "${disk_knows_fua:-0}" "does the disk know FUA?"
	dm_linear base "$whole" 0 "$start"
	areas=(--base-pattern $((disk_mib * 2048)))
	for mib in "${@:2}"; do
		dm_linear "cow$i" "$whole" "$start" $((mib * 2048))
		areas+=(--cow "$start:$((mib * 2048))")
		cow_clear "/dev/mapper/cow$i"
		start=$((start + mib * 2048))
		i=$((i + 1))
	done
}

# The log is complete when everything above it is gone.
# usage: end_log NAME...
end_log() {
	dm_remove "$@"
	[[ ! $fua_hidden_by ]] || losetup -d "$fua_hidden_by"
	fua_hidden_by=''
	# The loop device may take a moment to let go of it.
	wait_for dm_remove flush_queue
	dm_remove logged
}

# Drives the devices by a plan that goes on where the last one ended.
# usage: drive BATCHES [OPTION]...
drive() {
	local said
	said=$(crashcheck drive --mark logged --batches "$1" --batch 8 --first "${drive_next:-1}" --max-io 64k "${@:2}")
	drive_next=${said#next=}
}

# First writes of all sizes, to the origin and the snapshots; the areas of the
# first snapshot hold 32 entries each, and most of its metadata is written.
# usage: drive_first_writes BATCHES
drive_first_writes() {
	make_logged 2 3 3 3
	snap_origin origin /dev/mapper/base
	snap_create snap0 /dev/mapper/base /dev/mapper/cow0 P 1
	snap_create snap1 /dev/mapper/base /dev/mapper/cow1 P 8
	snap_create snap2 /dev/mapper/base /dev/mapper/cow2 P 128
	drive "$1" --origin /dev/mapper/origin --snap /dev/mapper/snap0:rw --snap /dev/mapper/snap1:rw \
		--snap /dev/mapper/snap2
	end_log snap0 snap1 snap2 origin base cow0 cow1 cow2
}

# A snapshot that was written, and whose origin was, is merged while the merging
# device and another snapshot are written. Chunks of 64 KiB and more make long runs.
# usage: drive_merge BATCHES_BEFORE BATCHES_MEANWHILE [CHUNK_SECTORS]
drive_merge() {
	local size chunk=${3:-1}
	local -a merging
	make_logged 2 3 3
	snap_origin origin /dev/mapper/base
	snap_create snap0 /dev/mapper/base /dev/mapper/cow0 P "$chunk"
	snap_create snap1 /dev/mapper/base /dev/mapper/cow1 P 8
	drive "$1" --origin /dev/mapper/origin --snap /dev/mapper/snap0:rw --snap /dev/mapper/snap1:rw \
		--snap-percent 50
	size=$(sectors /dev/mapper/snap0)
	dm_remove snap0
	dm_load origin "$(snap_merge_table /dev/mapper/base /dev/mapper/cow0 P "$chunk")"
	dm_suspend origin
	merging=(--snap "${size}s" --snap /dev/mapper/snap1:rw --merging 0)
	# From before its beginning the log says that there is a merge.
	drive 0 --origin /dev/mapper/base "${merging[@]}"
	dm_resume origin
	drive "$2" --origin /dev/mapper/origin "${merging[@]}"
	wait_for -t 60 merge_is_done origin
	dm_reload origin "0 $size snapshot-origin /dev/mapper/base"
	drive 3 --origin /dev/mapper/origin --snap none --snap /dev/mapper/snap1:rw --adopted 0
	end_log snap1 origin base cow0 cow1
}

# usage: sweep [OPTION]..., fails when a state that a crash could leave is wrong
sweep() { crashcheck sweep /dev/test/log "${areas[@]}" "$@"; }

# Numbers of entries to replay, so that a write is the last of them; evenly spread
# over those behind the mark (a regular expression).
# usage: writes_behind MARK HOW_MANY
writes_behind() {
	logreplay list /dev/test/log | awk -v mark="$1" -v want="$2" '
		$0 ~ mark { on = 1 }
		on && $3 > 0 { at[nr++] = $1 + 1 }
		END { for (i = 0; i < want; i++) print at[int(nr * (2 * i + 1) / (2 * want))] }'
}
