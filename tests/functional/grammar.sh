# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Table lines and status lines: what is accepted, what is refused and why, what
# is printed.

# shellcheck source=tests/lib/failures.sh
. "${BASH_SOURCE[0]%/*}/../lib/failures.sh"

readonly o=/dev/test/o c=/dev/test/c

devices() {
	dev o 4
	dev c 4
}

test_target_versions_are_above_those_of_the_in_tree_module() {
	local target old new
	while read -r target old; do
		new=$(dmsetup targets | sed -n "s/^$target  *v//p")
		check_ne "$new" "$old" "version of $target"
		check_eq "$(printf '%s\n' "$old" "$new" | sort -V | tail -n1)" "$new" "the higher version of $target"
	done <<-END
		snapshot 1.16.0
		snapshot-origin 1.9.0
		snapshot-merge 1.5.0
	END
}

test_bad_snapshot_line_is_refused_with_a_reason() {
	devices
	refusals_begin
	refused "Not enough arguments" "0 8192 snapshot"
	refused "Not enough arguments" "0 8192 snapshot $o"
	refused "Not enough arguments" "0 8192 snapshot $o $c P"
	refused "store type" "0 8192 snapshot $o $c X 8"
	refused "store type" "0 8192 snapshot $o $c OP 8"
	refused "letter behind" "0 8192 snapshot $o $c PX 8"
	refused "letter behind" "0 8192 snapshot $o $c POO 8"
	refused "letter behind" "0 8192 snapshot $o $c PP 8"
	refused "letter behind" "0 8192 snapshot $o $c NO 8"
	refused "nvalid chunk size" "0 8192 snapshot $o $c P x"
	refused "nvalid chunk size" "0 8192 snapshot $o $c P -8"
	refused "nvalid chunk size" "0 8192 snapshot $o $c P 0x10"
	refused "nvalid chunk size" "0 8192 snapshot $o $c P 8k"
	refused "nvalid chunk size" "0 8192 snapshot $o $c P 4294967304"
	refused "power of 2" "0 8192 snapshot $o $c P 12"
	refused "power of 2" "0 8192 snapshot $o $c N 4194303"
	refused "too high" "0 8192 snapshot $o $c P 4194304"
	refused "too high" "0 8192 snapshot $o $c N 2147483648"
	refused "needs a chunk size" "0 8192 snapshot $o $c N 0"
	refused "number of feature arguments" "0 8192 snapshot $o $c P 8 1"
	refused "number of feature arguments" "0 8192 snapshot $o $c P 8 9 discard_zeroes_cow"
	refused "number of feature arguments" "0 8192 snapshot $o $c P 8 -1"
	refused "number of feature arguments" "0 8192 snapshot $o $c P 8 discard_zeroes_cow"
	refused "nknown feature" "0 8192 snapshot $o $c P 8 1 no_such_feature"
	refused "nknown feature" "0 8192 snapshot $o $c P 8 1 discard_zeroes_cow_"
	refused "needs discard_zeroes_cow" "0 8192 snapshot $o $c P 8 1 discard_passdown_origin"
	refused "Too many arguments" "0 8192 snapshot $o $c P 8 1 discard_zeroes_cow more"
	refused "Too many arguments" "0 8192 snapshot $o $c P 8 0 discard_zeroes_cow"
	refused "get origin device (-ENO" "0 8192 snapshot /dev/test/none $c P 8"
	refused "get COW device (-ENO" "0 8192 snapshot $o /dev/test/none P 8"
	refusals_end
}

test_bad_merge_or_origin_line_is_refused_with_a_reason() {
	devices
	refusals_begin
	refused "snapshot-merge: Not enough arguments" "0 8192 snapshot-merge $o $c"
	refused "snapshot-merge: A transient snapshot cannot be merged" "0 8192 snapshot-merge $o $c N 8"
	refused "power of 2" "0 8192 snapshot-merge $o $c P 7"
	refused "nknown feature" "0 8192 snapshot-merge $o $c P 8 1 no_such_feature"
	refused "snapshot-origin: Exactly one argument" "0 8192 snapshot-origin"
	refused "snapshot-origin: Exactly one argument" "0 8192 snapshot-origin $o $c"
	refused "get origin device (-ENO" "0 8192 snapshot-origin /dev/test/none"
	refusals_end
}

test_origin_and_cow_device_must_differ() {
	devices
	refusals_begin
	refused "must be different devices" "0 8192 snapshot $o $o P 8"
	refused "must be different devices" "0 8192 snapshot $o $o N 8"
	refused "must be different devices" "0 8192 snapshot-merge $o $o P 8"
	refusals_end
}

# What is printed loads again and is printed the same.
test_every_accepted_line_is_printed_so_that_it_loads_again() {
	local i m line printed='' concise='' origin
	local -a lines=(
		"P 8 => P 8"
		"p 16 => P 16"
		"PO 32 => PO 32"
		"po 1 => PO 1"
		"Po 256 => PO 256"
		"N 8 => N 8"
		"n 64 => N 64"
		"P 0 => P 32"
		"PO 0 => PO 32"
		"P 8 0 => P 8"
		"P 8 1 discard_zeroes_cow => P 8 1 discard_zeroes_cow"
		"N 8 1 DISCARD_zeroes_cow => N 8 1 discard_zeroes_cow"
		"PO 8 2 discard_passdown_origin discard_zeroes_cow => PO 8 2 discard_zeroes_cow discard_passdown_origin"
	)
	dev o 4
	dev c 8
	slices c "$c" ${#lines[@]} 1024
	origin=$(major_minor "$o")
	for i in "${!lines[@]}"; do
		m=$(dmsetup info -c --noheadings -o major,minor "c$i")
		concise+="s$i,,,rw,0 8192 snapshot $o /dev/mapper/c$i ${lines[i]% => *};"
		printed+="s$i: 0 8192 snapshot $origin $m ${lines[i]#* => }"$'\n'
	done
	dmsetup create --concise "${concise%;}"
	check_eq "$(dmsetup table --target snapshot | sort)" "$(sort <<<"${printed%$'\n'}")"
	while IFS= read -r line; do
		dmsetup load "${line%%:*}" --table "${line#*: }"
	done <<<"${printed%$'\n'}"
	check_eq "$(dmsetup table --inactive --target snapshot | sort)" "$(sort <<<"${printed%$'\n'}")" "loaded again"
	check_eq "$(dmsetup status --inactive s0)" "0 8192 snapshot Unknown"
}

test_largest_chunk_that_fits_an_int_is_accepted() {
	# Nothing of it may be written here: 1 GiB of zeroes for the area alone.
	dev o 4
	dev c 4096
	cowstore craft "$c" --chunk 8 --header chunk_size=2097152
	snap_create s "$o" "$c" P 2097152
	check_eq "$(dm_table s)" "0 8192 snapshot $(major_minor "$o") $(major_minor "$c") P 2097152"
	check_eq "$(dm_status s)" "4194304/8388608 4194304"
	dm_remove s
	snap_create s "$o" "$c" N 2097152
	check_eq "$(dm_table s)" "0 8192 snapshot $(major_minor "$o") $(major_minor "$c") N 2097152"
}

test_chunk_must_hold_whole_blocks_of_both_devices() {
	dev o 4
	dev big 4 blocksize=4096
	refusals_begin
	refused "blocksize" "0 8192 snapshot $o /dev/test/big P 4"
	refused "blocksize" "0 8192 snapshot /dev/test/big $o N 4"
	refused "blocksize" "0 8192 snapshot-merge /dev/test/big $o P 1"
	refusals_end
	snap_create s "$o" /dev/test/big P 8
	dm_remove s
	snap_create s /dev/test/big "$o" N 8
}

test_status_is_what_libdevmapper_parses() {
	local zeros=$'invalid=0\nmerge_failed=0\noverflow=0'
	devices
	pattern write "$o"
	snap_create s "$o" "$c" PO 8
	check_eq "$(dm_status s)" "16/8192 16"
	pattern write /dev/mapper/s --start 80 --sectors 24 --stamp 1
	check_eq "$(dm_status s | dmparse)" \
		$'used_sectors=40\ntotal_sectors=8192\nmetadata_sectors=16\nhas_metadata_sectors=1\n'"$zeros"
	dm_remove s
	snap_create s "$o" "$c" N 8
	check_eq "$(dm_status s)" "0/8192 0"
	pattern write /dev/mapper/s --start 80 --sectors 24 --stamp 1
	check_eq "$(dm_status s)" "24/8192 0"
	dm_remove s
	cowstore craft "$c" --chunk 8 --header valid=0
	snap_create s "$o" "$c" P 8
	check_eq "$(dm_status s | dmparse | grep -v sectors)" "${zeros/invalid=0/invalid=1}"
}

test_snapshot_that_was_made_read_only_still_preserves() {
	devices
	pattern write "$o"
	snap_origin orig "$o"
	dm_create -r s "$(snap_table "$o" "$c" P 8)"
	check_eq "$(blockdev --getro /dev/mapper/s)" 1
	pattern write /dev/mapper/orig --start 80 --sectors 24 --stamp 1
	pattern verify /dev/mapper/s
	check_eq "$(dm_status s)" "40/8192 16"
}

test_snapshot_origin_prints_its_device_and_an_empty_status() {
	dev o 4
	snap_origin orig "$o"
	check_eq "$(dm_table orig)" "0 8192 snapshot-origin $(major_minor "$o")"
	check_eq "$(dmsetup status orig)" "0 8192 snapshot-origin "
	dm_reload orig "$(dm_table orig)"
	check_eq "$(dm_table orig)" "0 8192 snapshot-origin $(major_minor "$o")"
}

# Sectors are those of the device, wherever in it the target stands.
test_snapshot_that_is_not_the_first_target_keeps_the_places_of_the_device() {
	devices
	dev c2 4
	pattern write "$o"
	dm_create s "0 1024 linear $o 0" "1024 3072 snapshot $o $c P 8" "4096 4096 snapshot $o /dev/test/c2 N 16"
	pattern verify /dev/mapper/s
	pattern write /dev/mapper/s --start 1100 --sectors 3 --stamp 1
	pattern write /dev/mapper/s --start 4096 --sectors 50 --stamp 2
	pattern verify "$o"
	pattern verify /dev/mapper/s --sectors 1100
	pattern verify /dev/mapper/s --start 1100 --sectors 3 --stamp 1
	pattern verify /dev/mapper/s --start 1103 --sectors 2993
	pattern verify /dev/mapper/s --start 4096 --sectors 50 --stamp 2
	pattern verify /dev/mapper/s --start 4146
	dm_remove s
	store_is "$c" "entries=1 " --strict
	check_match "$(cowstore dump "$c")" "0: 137 -> 2"
}

test_snapshot_origin_that_is_not_the_first_target_preserves_the_places_of_the_device() {
	devices
	pattern write "$o"
	dm_create orig "0 1024 linear $c 4096" "1024 7168 snapshot-origin $o"
	dm_create s "0 8192 snapshot $o /dev/mapper/cow N 8" 2>/dev/null && fail "there is no cow yet"
	dm_linear cow "$c" 0 4096
	snap_create s "$o" /dev/mapper/cow P 8
	pattern verify /dev/mapper/orig --start 1024
	pattern write /dev/mapper/orig --start 2000 --sectors 32 --stamp 3
	pattern verify "$o" --start 2000 --sectors 32 --stamp 3
	pattern verify /dev/mapper/s
	check_eq "$(dm_status s)" "48/4096 16"
}

# A snapshot shorter than its origin preserves only its own length.
test_snapshot_shorter_than_its_origin_is_accepted() {
	devices
	pattern write "$o"
	snap_origin orig "$o"
	dm_create s "0 1001 snapshot $o $c P 8"
	pattern write /dev/mapper/orig --start 2000 --sectors 800 --stamp 1
	check_eq "$(dm_status s)" "16/8192 16"
	pattern write /dev/mapper/orig --start 990 --sectors 100 --stamp 1
	pattern verify /dev/mapper/s
	# the chunks 123 (984 to 991) to 125 (1000 to 1007)
	check_eq "$(dm_status s)" "40/8192 16"
}

test_targets_are_measured_by_ima() {
	local ima=/sys/kernel/security/ima log
	mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security ||
		skip "this kernel has no securityfs"
	[[ -e $ima/ascii_runtime_measurements ]] || skip "this kernel has no IMA"
	if [[ -e $ima/policy ]]; then
		echo "measure func=CRITICAL_DATA label=device-mapper template=ima-buf" >$ima/policy ||
			skip "IMA takes no policy"
	fi
	devices
	snap_origin orig "$o"
	snap_create s "$o" "$c" PO 8
	log=$(awk '$5 ~ /^dm_table_load/ { print $6 }' $ima/ascii_runtime_measurements | tail -n2 |
		sed 's/../\\x&/g' | xargs -0 printf '%b')
	check_match "$log" "target_name=snapshot-origin,target_version=1\.[0-9]+\.[0-9]+,snap_origin_name=$(major_minor "$o");"
	check_match "$log" "target_name=snapshot,target_version=1\.[0-9]+\.[0-9]+,snap_origin_name=$(major_minor "$o"),snap_cow_name=$(major_minor "$c"),snap_valid=y,snap_merge_failed=n,snapshot_overflowed=n;"
}

test_module_keeps_the_parameters_of_the_in_tree_module() {
	local parameters=/sys/module/dm_snapshot/parameters
	check_eq "$(<$parameters/snapshot_cow_threshold)" 2048
	check_eq "$(stat -c %a $parameters/snapshot_cow_threshold)" 644
	check_eq "$(<$parameters/snapshot_copy_throttle)" 100
	check_eq "$(stat -c %a $parameters/snapshot_copy_throttle)" 644
}

# One copy at a time is slow, and still right.
test_lowest_cow_threshold_loses_nothing() {
	devices
	pattern write "$o"
	snap_origin orig "$o"
	snap_create s "$o" "$c" P 8
	echo 1 >/sys/module/dm_snapshot/parameters/snapshot_cow_threshold
	stomper --origin /dev/mapper/orig --snap /dev/mapper/s:rw --threads 6 --ops 300 --seed 5 --max-io 64K \
		--align 512 --size 1M --equal-at-start
	echo 0 >/sys/module/dm_snapshot/parameters/snapshot_cow_threshold
	pattern write /dev/mapper/orig --start 4096 --sectors 100 --stamp 2
	pattern verify /dev/mapper/s --start 4096
}
