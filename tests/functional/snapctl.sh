# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # daemon is set by snapctl_daemon
#
# snapctl and its daemon on the real engine: every verb once, take-over of a
# volume in use, sets, extension under a writer, merges, a daemon that is killed.
# timeout: 240

# shellcheck source=tests/lib/snapctl.sh
. "$VM_REPO/tests/lib/snapctl.sh"

# A volume with a file system and something in it, as the origin NAME mounted on
# $TEST_DIR/NAME.
# usage: mounted_origin NAME MIB
mounted_origin() {
	dev "$1" "$2"
	snapctl origin add "$1" "/dev/test/$1"
	mkfs.ext4 -q -E nodiscard "/dev/mapper/$1"
	mount_on "$1" "/dev/mapper/$1"
	cp -r /usr/share/common-licenses "$TEST_DIR/$1/papers"
	dd if=/dev/urandom of="$TEST_DIR/$1/archive" bs=1M count=8 conv=fsync status=none
}

# The files that a snapshot shows.
# usage: sums_in_snapshot NAME
sums_in_snapshot() {
	mount_on "shown-$1" "/dev/mapper/$1" -o ro,noload
	sums_of "$TEST_DIR/shown-$1"
	umount "$TEST_DIR/shown-$1"
}

# selection: 6.1 debug
test_every_verb_does_what_it_says() {
	snapctl_start
	mounted_origin vol 256
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/before"
	snapctl create vol monday --size 64M --dry-run | grep suspend >/dev/null
	check_eq "$(snapctl list --names)" ""
	snapctl create vol monday --size 64M
	check_eq "$(field monday health)" active
	check_eq "$(field monday total_bytes)" $((64 << 20))

	dd if=/dev/urandom of="$TEST_DIR/vol/archive" bs=1M count=4 conv=notrunc,fsync status=none
	rm "$TEST_DIR/vol/papers/GPL-2"
	sync
	check_eq "$(sums_in_snapshot monday)" "$(<"$TEST_DIR/before")"
	(($(field monday allocated_bytes) > 4 << 20)) || fail "nothing was copied"

	snapctl list vol | grep monday >/dev/null
	snapctl show vol | grep monday >/dev/null
	snapctl status | grep "1 origin, 1 snapshot" >/dev/null
	snapctl table vol | grep snapshot-origin >/dev/null
	snapctl metrics | grep '^snapctl_snapshot_allocated_bytes{snapshot="monday",origin="vol"} ' >/dev/null
	snapctl doctor | grep "good" >/dev/null
	snapctl extend monday 64M
	check_eq "$(field monday total_bytes)" $((128 << 20))
	snapctl rename monday sunday
	check_eq "$(sums_in_snapshot sunday)" "$(<"$TEST_DIR/before")"
	umount "$TEST_DIR/vol"
	snapctl deactivate sunday
	check_eq "$(field sunday health)" inactive
	snapctl activate sunday
	check_eq "$(sums_in_snapshot sunday)" "$(<"$TEST_DIR/before")"

	snapctl merge sunday
	mount_on vol /dev/mapper/vol
	check_eq "$(sums_of "$TEST_DIR/vol")" "$(<"$TEST_DIR/before")"
	check_eq "$(snapctl list --names)" ""
	snapctl create vol tuesday --transient --read-only --chunk 16k
	check_fails dd if=/dev/zero of=/dev/mapper/tuesday bs=4k count=1 oflag=direct
	snapctl remove tuesday
	umount "$TEST_DIR/vol"
	snapctl origin remove vol
	[[ ! -e /dev/mapper/vol ]] || fail "the origin's device is still there"
	check_eq "$(ls "$TEST_DIR/space")" "lost+found"
	check_eq "$(losetup -a)" ""
	fsck.ext4 -fn /dev/test/vol
	mount_on vol /dev/test/vol
	check_eq "$(sums_of "$TEST_DIR/vol")" "$(<"$TEST_DIR/before")"
}

test_a_given_device_serves_as_space() {
	snapctl_start
	mounted_origin vol 128
	dev cow 64
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/before"
	snapctl create vol monday --cow /dev/test/cow
	dd if=/dev/urandom of="$TEST_DIR/vol/archive" bs=1M count=4 conv=notrunc,fsync status=none
	check_eq "$(sums_in_snapshot monday)" "$(<"$TEST_DIR/before")"
	snapctl remove monday
	snapctl create vol tuesday --cow /dev/test/cow
	snapctl remove tuesday
}

# selection: 6.1
test_a_volume_in_use_is_taken_over_and_given_back() {
	snapctl_start
	dev disk 256
	dm_linear lv /dev/test/disk
	mkfs.ext4 -q -E nodiscard /dev/mapper/lv
	mount_on data /dev/mapper/lv
	dd if=/dev/urandom of="$TEST_DIR/data/file" bs=1M count=8 conv=fsync status=none
	sums_of "$TEST_DIR/data" >"$TEST_DIR/before"
	exec 8<"$TEST_DIR/data/file"
	snapctl origin add data /dev/mapper/lv
	check_eq "$(field data taken_over)" True
	snapctl create data monday
	dd if=/dev/urandom of="$TEST_DIR/data/file" bs=1M count=4 conv=notrunc,fsync status=none
	sums_of "$TEST_DIR/data" >"$TEST_DIR/after"
	check_eq "$(sums_in_snapshot monday)" "$(<"$TEST_DIR/before")"
	snapctl remove monday
	snapctl origin remove data
	# All the while it was mounted and a file was open.
	read -r -u 8 -N 16 _
	exec 8<&-
	check_match "$(dm_table lv)" "linear"
	check_eq "$(sums_of "$TEST_DIR/data")" "$(<"$TEST_DIR/after")"
	umount "$TEST_DIR/data"
	fsck.ext4 -fn /dev/mapper/lv
}

# The unit's sandbox may give the daemon mounts of its own; those are gone with it,
# and what /sys says of its loop devices' files then leads nowhere.
test_a_restarted_daemon_finds_files_that_it_attached_in_other_mounts() {
	snapctl_start
	mounted_origin vol 128
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/before"
	snapctl_kill
	# shellcheck disable=SC2016 # for the other shell
	unshare --mount bash -c 'mount --bind "$1" "$1" && exec "$2" daemon --config "$3"' - \
		"$TEST_DIR/space" "$VM_REPO/build/userspace/snapctl" "$TEST_DIR/snapctl.toml" 2>>"$TEST_DIR/daemon.log" &
	daemon=$!
	wait_for snapctl status
	snapctl create vol monday --size 32M
	snapctl_kill
	snapctl_daemon
	local file
	file=$(echo "$TEST_DIR/space/monday"*)
	check_ne "$(losetup -n -O BACK-FILE -j "$file")" "$file" "the path in the daemon's mounts"
	dd if=/dev/urandom of="$TEST_DIR/vol/archive" bs=1M count=8 conv=notrunc,fsync status=none
	snapctl extend monday 32M
	check_eq "$(field monday total_bytes)" $((64 << 20))
	check_fails snapctl create vol tuesday --dir "$TEST_DIR/vol" --with "itself"
	umount "$TEST_DIR/vol"
	snapctl merge monday
	mount_on vol /dev/mapper/vol
	check_eq "$(sums_of "$TEST_DIR/vol")" "$(<"$TEST_DIR/before")"
	check_eq "$(losetup -a)" ""
}

# As a reboot leaves it, where the space is on a file system that is mounted later.
test_a_volume_waits_read_only_for_the_space_of_its_snapshot() {
	snapctl_start
	mounted_origin vol 128
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/before"
	snapctl create vol monday --size 32M
	dd if=/dev/urandom of="$TEST_DIR/vol/archive" bs=1M count=4 conv=notrunc,fsync status=none
	umount "$TEST_DIR/vol"
	snapctl_kill
	dm_remove monday vol
	losetup -D
	wait_for umount "$TEST_DIR/space"

	snapctl_daemon
	check_fails snapctl activate --all --with "monday cannot come up, and keeps vol read-only"
	check_eq "$(field monday health)" missing
	check_fails dd if=/dev/zero of=/dev/mapper/vol bs=4k count=1 oflag=direct
	mount_on vol /dev/mapper/vol
	check_match "$(findmnt -n -o OPTIONS "$TEST_DIR/vol")" '(^|,)ro(,|$)'

	mount_on space /dev/test/space
	snapctl activate --all | grep "remount,rw" >/dev/null
	mount -o remount,rw "$TEST_DIR/vol"
	dd if=/dev/urandom of="$TEST_DIR/vol/archive" bs=1M count=8 conv=notrunc,fsync status=none
	check_eq "$(sums_in_snapshot monday)" "$(<"$TEST_DIR/before")"
	check_nothing_half_done
}

# So it is with the root file system at each boot.
test_a_snapshot_whose_volume_was_mounted_without_it_is_lost_and_says_so() {
	snapctl_start
	dev disk 128
	dm_linear lv /dev/test/disk
	mkfs.ext4 -q -E nodiscard /dev/mapper/lv
	snapctl origin add data /dev/mapper/lv
	snapctl create data monday --size 32M
	snapctl create data tuesday --size 32M
	snapctl_kill
	dm_remove monday tuesday
	dm_reload lv "0 $(sectors /dev/test/disk) linear /dev/test/disk 0"
	dm_remove snapctl-data-real
	losetup -D

	# Read, it misses nothing.
	mount_on data /dev/mapper/lv -o ro
	snapctl_daemon
	snapctl activate --all
	check_eq "$(field monday health)" active
	umount "$TEST_DIR/data"
	snapctl_kill
	dm_remove monday
	snapctl_daemon
	mount_on data /dev/mapper/lv
	check_fails snapctl activate --all --with "monday is lost: the origin was written without it"
	check_eq "$(field monday health)" invalid
	check_eq "$(field tuesday health)" active
	snapctl remove monday
	snapctl remove tuesday
	snapctl origin remove data
}

# A counter goes to all origins in turn, each write on disk before the next. At
# one instant, no origin can be ahead of the one before it, nor two behind.
test_a_set_is_taken_at_one_instant() {
	snapctl_start
	local i
	local -a origins=(a b c d) numbers
	for i in "${origins[@]}"; do
		dev "$i" 32
		snapctl origin add "$i" "/dev/test/$i"
	done
	python3 - "${origins[@]}" <<'END' &
import mmap, os, sys
devices = [os.open("/dev/mapper/" + name, os.O_WRONLY | os.O_DIRECT) for name in sys.argv[1:]]
page = mmap.mmap(-1, 4096)
n = 0
while True:
    n += 1
    page.seek(0)
    page.write(b"%d\n" % n)
    for device in devices:
        os.pwrite(device, page, 0)
END
	local writer=$!
	for i in 1 2 3; do
		wait_for writes_go_on
		snapctl create --set "s$i" "${origins[@]}" >"$TEST_DIR/said"
		grep -q "stood still for" "$TEST_DIR/said"
		mapfile -t numbers < <(for name in "${origins[@]}"; do
			dd if="/dev/mapper/$name-s$i" bs=4k count=1 iflag=direct status=none | head -n 1 | tr -d '\0'
		done)
		echo "set $i: ${numbers[*]}"
		((numbers[0] > 0)) || fail "the writer has not begun"
		((numbers[0] >= numbers[1] && numbers[1] >= numbers[2] && numbers[2] >= numbers[3] &&
			numbers[0] - numbers[3] <= 1)) || fail "not one instant: ${numbers[*]}"
	done
	kill "$writer"
	wait "$writer" || true
	# One that cannot be made: none exists.
	check_fails snapctl create --set s4 a nosuch --with "no such origin"
	check_eq "$(snapctl list --names | grep -c s4)" 0
	check_nothing_half_done
}
# The counter on the first origin differs from what it was.
writes_go_on() {
	local now
	now=$(dd if=/dev/mapper/a bs=4k count=1 iflag=direct status=none | head -n 1 | tr -d '\0')
	[[ -n $now && $now != "${last_number-}" ]] || return 1
	[[ -n ${last_number-} ]] || { last_number=$now; return 1; }
	last_number=$now
}

test_refusals_say_why_and_change_nothing() {
	snapctl_start
	mounted_origin vol 64
	dmsetup table >"$TEST_DIR/tables"
	check_fails snapctl origin add other /dev/test/vol
	check_fails snapctl origin add vol /dev/test/space
	check_fails snapctl origin add other /dev/nosuch
	check_fails snapctl create nosuch snap --with "no such origin"
	check_fails snapctl create vol snap --chunk 5000
	check_fails snapctl create vol vol
	check_fails snapctl create vol snap --size 0
	check_fails snapctl create vol "bad name"
	check_fails snapctl create vol snap --dir "$TEST_DIR/vol" --with "origin"
	mkdir -p "$TEST_DIR/space/loose/inner" "$TEST_DIR/space/anothers"
	chmod 777 "$TEST_DIR/space/loose"
	chown 65534 "$TEST_DIR/space/anothers"
	check_fails snapctl create vol snap --dir "$TEST_DIR/space/loose/inner" --with "others may write to $TEST_DIR/space/loose"
	check_fails snapctl create vol snap --dir "$TEST_DIR/space/anothers" --with "belongs to somebody else"
	[[ $VM_KERNEL != 6.1 ]] || check_fails snapctl create vol snap --dir "$TEST_DIR/memory" --with "has no direct I/O"
	check_fails snapctl create vol snap --cow /dev/test/vol
	check_fails snapctl create vol snap --cow /dev/test/space
	check_fails snapctl create vol snap --vg nosuch
	check_fails snapctl merge nosuch
	check_fails snapctl origin remove nosuch
	check_eq "$(dmsetup table)" "$(<"$TEST_DIR/tables")"
	check_eq "$(losetup -a)" ""
	check_eq "$(find "$TEST_DIR/space" -type f)" ""
	snapctl create vol snap
	check_fails snapctl create vol snap
	check_fails snapctl origin remove vol
	mount_on snap /dev/mapper/snap -o ro,noload
	check_fails snapctl remove snap
	umount "$TEST_DIR/snap"
	snapctl remove snap
}

# The kernel may number disks otherwise at the next boot.
test_a_disk_is_remembered_by_a_name_that_lasts() {
	local disk
	snapctl_start 256
	dev vol 16
	dev cow 16
	disk=$(readlink -f /dev/test/vol)
	mkdir -p /dev/disk/by-id
	ln -s "$disk" /dev/disk/by-id/lvm-pv-uuid-1
	ln -s "$disk" /dev/disk/by-id/scsi-2
	ln -s "$disk" /dev/disk/by-id/nvme-1
	ln -s "$(readlink -f /dev/test/cow)" /dev/disk/by-id/cow
	snapctl origin add vol "$disk"
	check_eq "$(field vol device)" /dev/disk/by-id/nvme-1
	snapctl create vol monday --cow "$(readlink -f /dev/test/cow)"
	check_eq "$(field monday space_where)" /dev/disk/by-id/cow
	check_fails snapctl origin add other "$disk" --with "the origin vol already"
	snapctl remove monday
	snapctl origin remove vol
	rm -r /dev/disk/by-id
}

test_others_than_root_may_not_change_anything() {
	snapctl_start 512
	chmod 666 "$SNAPCTL_SOCKET"
	chmod 755 "$TEST_DIR"
	local -a nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups "$VM_REPO/build/userspace/snapctl")
	check_fails "${nobody[@]}" status --with "neither root"
	check_fails "${nobody[@]}" origin add vol /dev/test/space --with "neither root"
}

test_a_registry_whose_file_system_is_not_mounted_yet_is_not_made_anew() {
	# The daemon whose configuration is the default one.
	unset SNAPCTL_SOCKET
	mkdir "$TEST_DIR/state"
	echo "tmpfs $TEST_DIR/state tmpfs defaults 0 0" >/etc/fstab
	printf '[daemon]\nstate_directory = "%s"\n' "$TEST_DIR/state" >"$TEST_DIR/snapctl.toml"
	check_fails snapctl daemon --config "$TEST_DIR/snapctl.toml" --with "not mounted yet"
	check_eq "$(ls "$TEST_DIR/state")" ""
	mount_on state tmpfs -t tmpfs
	snapctl_daemon
	test -e "$TEST_DIR/state/registry.db"
	# Where it is by default, this is what boots would meet.
	echo "tmpfs /var/lib/snapctl tmpfs defaults 0 0" >/etc/fstab
	check_fails snapctl activate --all --with "on the root file system"
	snapctl doctor >"$TEST_DIR/findings" || true
	check_match "$(<"$TEST_DIR/findings")" "PROBLEM +the registry /var/lib/snapctl is on /var/lib/snapctl"
	rm /etc/fstab
	kill "$daemon"
	wait "$daemon"
	umount "$TEST_DIR/state"
}

# The snapshot starts at 64 MiB and needs eight times that.
test_a_snapshot_is_extended_while_a_writer_fills_it() {
	snapctl_start 2048
	dev vol 1024
	snapctl origin add vol /dev/test/vol
	dd if=/dev/urandom of=/dev/mapper/vol bs=1M count=512 oflag=direct status=none
	local before
	before=$(head -c 512M /dev/mapper/vol | md5sum)
	snapctl create vol monday --size 64M
	dd if=/dev/zero of=/dev/mapper/vol bs=1M count=512 oflag=direct status=none
	check_eq "$(field monday health)" active
	check_eq "$(head -c 512M /dev/mapper/monday | md5sum)" "$before"
	(($(field monday total_bytes) >= 512 << 20)) || fail "it cannot have held all of it"
	grep -c extended "$TEST_DIR/daemon.log"
}

# More than an older snapshot has room for is still in the file system's cache when the next one
# is taken. While the volume is suspended, nobody could give it more.
test_a_snapshot_survives_that_another_is_taken_of_a_volume_with_a_full_cache() {
	# Nothing is written before somebody asks.
	local setting
	local -A before=()
	for setting in dirty_ratio dirty_background_ratio dirty_writeback_centisecs; do
		before[$setting]=$(<"/proc/sys/vm/$setting")
	done
	echo 1073741824 >/proc/sys/vm/dirty_bytes
	echo 1073741824 >/proc/sys/vm/dirty_background_bytes
	echo 360000 >/proc/sys/vm/dirty_writeback_centisecs
	snapctl_start 1024
	mounted_origin vol 1024
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/before"
	snapctl create vol monday --size 64M
	dd if=/dev/urandom of="$TEST_DIR/vol/large" bs=1M count=256 status=none
	(($(awk '/^Dirty:/ { print $2 }' /proc/meminfo) > 128 << 10)) || fail "the cache was written already"
	snapctl create vol tuesday
	for setting in "${!before[@]}"; do
		echo "${before[$setting]}" >"/proc/sys/vm/$setting"
	done
	check_eq "$(field monday health)" active
	(($(field monday total_bytes) > 64 << 20)) || fail "it has not grown"
	check_eq "$(sums_in_snapshot monday)" "$(<"$TEST_DIR/before")"
}

# selection: 6.1
test_a_mounted_origin_is_merged() {
	snapctl_start
	mounted_origin vol 256
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/before"
	snapctl create vol monday
	dd if=/dev/urandom of="$TEST_DIR/vol/archive" bs=1M count=8 conv=notrunc,fsync status=none
	dd if=/dev/urandom of="$TEST_DIR/vol/new" bs=1M count=8 conv=fsync status=none
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/after"
	# Not under a file system that remembers what the volume was.
	snapctl merge monday --rate 1M --background | grep "vol is in use: the merge begins when it is not" >/dev/null
	check_eq "$(field monday merge_wanted)" True
	check_match "$(dm_table vol)" snapshot-origin
	check_eq "$(sums_of "$TEST_DIR/vol")" "$(<"$TEST_DIR/after")"
	umount "$TEST_DIR/vol"
	wait_for health_is monday merging
	# In use from the first moment, with the old contents.
	mount_on vol /dev/mapper/vol
	check_eq "$(sums_of "$TEST_DIR/vol")" "$(<"$TEST_DIR/before")"
	snapctl merge monday --pause
	wait_for merge_is_paused
	snapctl merge monday --resume
	snapctl merge monday --rate 0 2>"$TEST_DIR/progress"
	grep -q "merged, " "$TEST_DIR/progress"
	check_eq "$(snapctl list --names)" ""
	check_match "$(dm_table vol)" snapshot-origin
	check_eq "$(sums_of "$TEST_DIR/vol")" "$(<"$TEST_DIR/before")"
	umount "$TEST_DIR/vol"
	fsck.ext4 -fn /dev/mapper/vol
}
merge_is_paused() { [[ $(field monday merge_paused) == True ]]; }

test_interrupting_the_command_leaves_the_merge_running() {
	snapctl_start
	mounted_origin vol 256
	snapctl create vol monday
	dd if=/dev/urandom of="$TEST_DIR/vol/archive" bs=1M count=8 conv=notrunc,fsync status=none
	umount "$TEST_DIR/vol"
	local status=0
	# A shell ignores SIGINT for what it starts in the background.
	python3 - "$VM_REPO/build/userspace/snapctl" 2>"$TEST_DIR/said" <<'END' || status=$?
import signal, subprocess, sys
merge = subprocess.Popen([sys.argv[1], "merge", "monday", "--rate", "256k"], stderr=subprocess.PIPE, text=True,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
for line in merge.stderr:
    sys.stderr.write(line)
    if "merged," in line:
        merge.send_signal(signal.SIGINT)
sys.exit(0 if merge.wait() == -signal.SIGINT else 1)
END
	check_eq "$status" 0
	grep -q "goes on" "$TEST_DIR/said"
	check_eq "$(field monday health)" merging
	snapctl merge monday --rate 0
	check_eq "$(snapctl list --names)" ""
}

test_a_killed_daemon_finds_everything_as_it_was() {
	snapctl_start
	mounted_origin vol 256
	sums_of "$TEST_DIR/vol" >"$TEST_DIR/before"
	snapctl create vol monday
	snapctl_kill
	# Without it everything goes on.
	dd if=/dev/urandom of="$TEST_DIR/vol/archive" bs=1M count=8 conv=notrunc,fsync status=none
	dd if=/dev/urandom of="$TEST_DIR/vol/more" bs=1M count=24 conv=fsync status=none
	local expected
	expected=$(dmsetup table)
	snapctl_daemon
	check_eq "$(dmsetup table)" "$expected"
	check_eq "$(field monday health)" active
	check_eq "$(sums_in_snapshot monday)" "$(<"$TEST_DIR/before")"
	umount "$TEST_DIR/vol"
	snapctl merge monday --rate 1M --background
	snapctl_kill
	snapctl_daemon
	check_eq "$(field monday health)" merging
	snapctl merge monday --rate 0
	mount_on vol /dev/mapper/vol
	check_eq "$(sums_of "$TEST_DIR/vol")" "$(<"$TEST_DIR/before")"
	check_nothing_half_done
}

# Polls without a pause: what it waits for may be over in a moment.
# usage: at_once COMMAND
at_once() {
	{ local -; set +x; } 2>/dev/null
	local deadline=$((SECONDS + 30))
	until eval "$1" >/dev/null; do
		((SECONDS < deadline)) || fail "there is still no '$1'"
	done
}

# Wherever the kill hits, the next daemon leaves nothing suspended and nothing half made.
test_a_daemon_killed_in_the_middle_of_a_change_cleans_up() {
	snapctl_start
	mounted_origin vol 64
	local round seen
	for round in 1 2 3 4 5 6 7 8; do
		snapctl create vol "snap$round" --size 16M >/dev/null 2>&1 &
		# As soon as this can be seen from here.
		case $((round % 4)) in
		0) seen=true ;;
		1) seen="compgen -G $TEST_DIR/space/snap*" ;;
		2) seen="compgen -G /sys/block/loop*/loop/backing_file" ;;
		3) seen="test -e /dev/mapper/snap$round" ;;
		esac
		at_once "$seen"
		snapctl_kill
		wait $! || true
		snapctl_daemon
		check_nothing_half_done
		# The file system is not stuck.
		touch "$TEST_DIR/vol/round$round"
		sync -f "$TEST_DIR/vol/round$round"
		if snapctl list --names | grep -x "snap$round" >/dev/null; then
			snapctl remove "snap$round"
		fi
		check_eq "$(losetup -a)" ""
		check_eq "$(find "$TEST_DIR/space" -type f)" ""
		check_eq "$(dmsetup ls | wc -l)" 1
	done
	(($(grep -c "created snap" "$TEST_DIR/daemon.log") < 8)) || fail "every kill came too late"
}
