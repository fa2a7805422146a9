# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # daemon is set by snapctl_daemon
#
# What the daemon has to endure, in the number that the caller names: few in
# tests/functional, many in tests/long.

# shellcheck source=tests/lib/snapctl.sh
. "$VM_REPO/tests/lib/snapctl.sh"

# ---- a writer at full speed ------------------------------------------------------

# A snapshot starts with 64 MiB, and all of the origin is overwritten at full speed.
# usage: outlives_the_writer MIB STAMP
outlives_the_writer() {
	local began extensions
	pattern write /dev/mapper/vol --stamp "$2"
	began=${EPOCHREALTIME/./}
	extensions=$(grep -c ': extended' "$TEST_DIR/daemon.log" || true)
	snapctl create vol monday --size 64M
	dd if=/dev/zero of=/dev/mapper/vol bs=1M count="$1" oflag=direct 2>"$TEST_DIR/speed"
	check_eq "$(field monday health)" active
	(($(field monday allocated_bytes) > $1 << 20)) || fail "not all of it was copied"
	echo "$1 MiB, $(tail -n 1 "$TEST_DIR/speed"), $(($(grep -c ': extended' "$TEST_DIR/daemon.log") - extensions)) extensions," \
		"$(dmsetup message monday 0 stats | grep -o 'space_waits=[0-9]*'), $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
	pattern verify /dev/mapper/monday --stamp "$2"
	check_fails pattern verify /dev/mapper/vol --sectors 8 --stamp "$2"
	snapctl remove monday
}

# ---- rounds --------------------------------------------------------------------

# What is there, of everything that a round makes.
left_behind() {
	{ local -; set +x; } 2>/dev/null
	dmsetup ls | sort
	losetup -a
	find "$TEST_DIR/space" -type f
	snapctl list --names
	find "/proc/$daemon/fd" -type l -printf '%l\n' | sed 's/\[[0-9]*\]//' | sort
}
# Slabs that nothing can be reclaimed from, in KiB.
slabs() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^SUnreclaim/ { print $2 }' /proc/meminfo
}
daemon_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }

# usage: rounds_leave_nothing ROUNDS
rounds_leave_nothing() {
	dev vol 32
	snapctl origin add vol /dev/test/vol
	dd if=/dev/urandom of=/dev/mapper/vol bs=1M count=16 oflag=direct status=none
	# What is made once and kept.
	python3 "$VM_REPO/tests/lib/rounds.py" "$SNAPCTL_SOCKET" 3
	local memory slab before
	memory=$(daemon_kib) slab=$(slabs)
	before=$(left_behind)
	python3 "$VM_REPO/tests/lib/rounds.py" "$SNAPCTL_SOCKET" "$1"
	check_eq "$(left_behind)" "$before"
	memory=$(($(daemon_kib) - memory)) slab=$(($(slabs) - slab))
	echo "after $1 rounds the daemon has $memory KiB more, the kernel's slabs $slab KiB"
	# What each round leaves adds up; what a cache takes does not.
	((memory < 2048 + $1)) || fail "the daemon has grown by $memory KiB"
	((slab < 4096 + $1)) || fail "the kernel has grown by $slab KiB"
	check_nothing_half_done
}

# ---- kills ---------------------------------------------------------------------
#
# strace kills the daemon that is under test, as it is, where it enters its n-th system
# call that a change is made of: requests to device-mapper and loop devices, what is
# allocated, synced to disk or removed. The killed call does not happen, those before it have.

doomed_calls=ioctl,fallocate,fsync,fdatasync,unlink

# usage: snapctl_doomed N
snapctl_doomed() {
	strace -qq -o "$TEST_DIR/strace" -e "trace=$doomed_calls" -e "inject=$doomed_calls:signal=KILL:when=$1" -p "$daemon" 2>"$TEST_DIR/attached" &
	tracer=$!
	wait_for is_traced
}
is_traced() { [[ $(awk '/^TracerPid/ { print $2 }' "/proc/$daemon/status") != 0 ]]; }
is_gone() { ! kill -0 "$1"; }

# A change is made again and again, killed each time a call later, until a change is
# not killed any more.
# usage: killed_at_every_call PREPARE ACT CHECK [STRIDE]
#   PREPARE  makes what the change needs, whether or not the last one was made
#   ACT      makes it
#   CHECK    with `made` or `not`: is the data right that is there then
killed_at_every_call() {
	{ local -; set +x; } 2>/dev/null
	local call made=0 not=0 before after now
	"$1"
	before=$(world)
	"$2" >/dev/null
	after=$(world)
	check_ne "$after" "$before" "the change changes nothing"
	"$3" made
	for ((call = 1; ; call += ${4:-1})); do
		"$1"
		snapctl_doomed "$call"
		if "$2" >/dev/null 2>"$TEST_DIR/said"; then
			# It may be killed at what it does after the answer.
			kill "$tracer" || true
			wait "$tracer" || true
			! kill -0 "$daemon" 2>/dev/null || break
		fi
		wait_for is_gone "$daemon"
		wait "$daemon" || true
		wait "$tracer" || true
		snapctl_daemon
		wait_for nothing_merges
		check_nothing_half_done
		now=$(world)
		case $now in
		"$before")
			not=$((not + 1))
			"$3" not
			;;
		"$after")
			made=$((made + 1))
			"$3" made
			;;
		*) fail "killed at call $call, $(tail -n 1 "$TEST_DIR/strace"), there is neither all of it nor nothing:
$(diff <(echo "$before") <(echo "$now") || true)" ;;
		esac
	done
	echo "$2: killed $((made + not)) times in $((call - 1)) calls: $not times undone, $made times finished"
	((not > 0)) || fail "no kill came in time"
}
nothing_merges() { ! snapctl list --json | grep '"health": "merging"' >/dev/null; }

# Everything that there is, without what differs each time. The mark is a hint,
# that is told again.
world() {
	{
		dmsetup info -c --noheadings -o name,attr | sort
		dmsetup table | sed -E 's/\b[0-9]+:[0-9]+\b/N:N/g; s/low_water_mark [0-9]+/low_water_mark N/' | sort
		find /dev/mapper -printf '%P %l\n' | sed 's/[0-9]*$//' | sort
		losetup -O BACK-FILE --noheadings -l | sort
		find "$TEST_DIR/space" -type f -printf '%p %s\n' | sort
		snapctl list --json | python3 -c 'import json, sys
for s in json.load(sys.stdin)["snapshots"]:
    print(s["name"], s["origin"], s["set"], s["health"])'
		snapctl origin list --names
	} | sed -E 's/-[0-9a-f]{8}\b/-ID/g'
}

# The changes. The origin vol is in $contents all the time, but for a merge.

small_origin() {
	dev vol 16
	snapctl origin add vol /dev/test/vol
	write_all
}
# Something new all over /dev/mapper/vol: its sum is in $contents.
write_all() {
	dd if=/dev/urandom of=/dev/mapper/vol bs=1M count=16 oflag=direct status=none
	contents=$(sum_of vol)
}
sum_of() { dd if=/dev/mapper/"$1" bs=1M iflag=direct status=none | md5sum; }
# usage: is_there SNAPSHOT
is_there() { snapctl list --names | grep -x "$1" >/dev/null; }
# usage: shows_contents made|not SNAPSHOT...: those are there, and like the origin
shows_contents() {
	local name
	for name in vol "${@:2}"; do
		check_eq "$(sum_of "$name")" "$contents" "$name"
	done
}

no_snapshot() { ! is_there snap || snapctl remove snap; }
create_snapshot() { snapctl create vol snap --size 8M; }
snapshot_if_made() {
	case $1 in
	made) shows_contents "$1" snap ;;
	not) shows_contents "$1" ;;
	esac
}

a_snapshot() { is_there snap || snapctl create vol snap --size 8M; }
remove_snapshot() { snapctl remove snap; }
snapshot_if_not_made() {
	case $1 in
	made) shows_contents "$1" ;;
	not) shows_contents "$1" snap ;;
	esac
}

no_set() {
	! is_there vol-set || snapctl remove vol-set
	! is_there vol2-set || snapctl remove vol2-set
}
create_set() { snapctl create --set set vol vol2 --size 8M; }
set_if_made() {
	[[ $1 == not ]] || shows_contents "$1" vol-set
}

not_renamed() {
	! is_there other || snapctl rename other snap
	a_snapshot
}
rename_snapshot() { snapctl rename snap other; }
renamed_if_made() {
	case $1 in
	made) shows_contents "$1" other ;;
	not) shows_contents "$1" snap ;;
	esac
}

activated() {
	a_snapshot
	snapctl activate snap
}
deactivate_snapshot() { snapctl deactivate snap; }
deactivated() {
	a_snapshot
	snapctl deactivate snap
}
activate_snapshot() { snapctl activate snap; }

a_fresh_snapshot() {
	no_snapshot
	create_snapshot
}
extend_snapshot() { snapctl extend snap 4M; }
# Wherever it was cut short, the next one makes it whole.
extended_in_the_end() {
	shows_contents "$1" snap
	snapctl extend snap 4M
	(($(field snap total_bytes) >= 12 << 20)) || fail "the snapshot does not know its space"
}

a_changed_snapshot() {
	no_snapshot
	write_all
	create_snapshot
	dd if=/dev/urandom of=/dev/mapper/snap bs=1M count=2 oflag=direct status=none
	merged=$(sum_of snap)
}
# In the foreground it would wait for another daemon, each time for half a minute.
merge_snapshot() {
	snapctl merge snap --background
	wait_for nothing_merges
}
merged_if_made() {
	case $1 in
	made) check_eq "$(sum_of vol)" "$merged" ;;
	not)
		check_eq "$(sum_of vol)" "$contents"
		check_eq "$(sum_of snap)" "$merged"
		;;
	esac
}

is_origin() { snapctl origin list --names | grep -x "$1" >/dev/null; }
no_origin() { ! is_origin vol || snapctl origin remove vol; }
add_origin() { snapctl origin add vol /dev/test/vol; }
an_origin() { is_origin vol || add_origin; }
remove_origin() { snapctl origin remove vol; }
disk_is_right() { check_eq "$(dd if=/dev/test/vol bs=1M iflag=direct status=none | md5sum)" "$contents"; }

# As after a reboot: the registry knows what the kernel does not have.
rebooted() {
	a_snapshot
	snapctl_kill
	local name
	for name in snap vol; do
		[[ ! -e /dev/mapper/$name ]] || dmsetup remove "$name"
	done
	losetup -D
	snapctl_daemon
}
activate_all() { snapctl activate --all; }
active_if_made() {
	disk_is_right
	[[ $1 == not ]] || shows_contents "$1" snap
}

# /dev/mapper/lv is in use all the time.
not_taken_over() { ! is_origin data || snapctl origin remove data; }
take_over() { snapctl origin add data /dev/mapper/lv; }
taken_over() { not_taken_over; take_over; }
give_back() { snapctl origin remove data; }
volume_is_right() {
	dd if=/dev/urandom of="$TEST_DIR/lv/more" bs=64k count=4 conv=fsync status=none
	check_eq "$(md5sum <"$TEST_DIR/lv/file")" "$volume"
}
volume_in_use() {
	dev disk 32
	dm_linear lv /dev/test/disk
	mkfs.ext4 -q -E nodiscard /dev/mapper/lv
	mount_on lv /dev/mapper/lv
	dd if=/dev/urandom of="$TEST_DIR/lv/file" bs=1M count=4 conv=fsync status=none
	volume=$(md5sum <"$TEST_DIR/lv/file")
}

# ---- many ----------------------------------------------------------------------

# usage: seconds_of COMMAND...: prints how long it took
seconds_of() {
	local began=${EPOCHREALTIME/./}
	"$@" >/dev/null
	awk -v us=$((${EPOCHREALTIME/./} - began)) 'BEGIN { printf "%.2f s", us / 1e6 }'
}

# usage: make_sets N ORIGIN...
make_sets() {
	local round
	for ((round = 1; round <= $1; round++)); do
		snapctl create --set "s$round" --size 4M "${@:2}"
	done
}
remove_all() {
	local name
	for name in $(snapctl list --names); do
		snapctl remove "$name"
	done
}

# usage: many ORIGINS SNAPSHOTS-OF-EACH
many() {
	local origin all=$(($1 * $2))
	local -a origins=()
	for ((origin = 1; origin <= $1; origin++)); do
		dev "o$origin" 8
		snapctl origin add "o$origin" "/dev/test/o$origin" >/dev/null
		origins+=("o$origin")
	done
	echo "create $all: $(seconds_of make_sets "$2" "${origins[@]}")"
	check_eq "$(snapctl list --names | wc -l)" $all
	dd if=/dev/urandom of=/dev/mapper/o1 bs=1M count=2 oflag=direct status=none
	check_eq "$(snapctl list --json | grep -c '"health": "active"')" $all
	echo "list: $(seconds_of snapctl list), status: $(seconds_of snapctl status), metrics: $(seconds_of snapctl metrics), doctor: $(seconds_of snapctl doctor)"
	snapctl_kill
	echo "a start of the daemon: $(seconds_of snapctl_daemon)"
	check_eq "$(snapctl list --json | grep -c '"health": "active"')" $all
	echo "remove $all: $(seconds_of remove_all)"
	check_eq "$(snapctl list --names)" ""
	check_eq "$(losetup -a)" ""
	check_eq "$(find "$TEST_DIR/space" -type f)" ""
	check_eq "$(dmsetup ls | wc -l)" "$1"
}

# ---- the socket ----------------------------------------------------------------

# usage: fuzz_the_socket CONNECTIONS SEED
fuzz_the_socket() {
	dev vol 16
	snapctl origin add vol /dev/test/vol
	snapctl create vol monday --size 8M
	local before memory
	before=$(world)
	python3 "$VM_REPO/tests/lib/socket_fuzz.py" "$SNAPCTL_SOCKET" 50 "$2"
	memory=$(daemon_kib)
	python3 "$VM_REPO/tests/lib/socket_fuzz.py" "$SNAPCTL_SOCKET" "$1" "$2"
	check_eq "$(world)" "$before"
	memory=$(($(daemon_kib) - memory))
	((memory < 4096)) || fail "the daemon has grown by $memory KiB"
	wait_for none_is_connected
	snapctl remove monday
}
# Of the connections to the socket, only the one that listens is left.
none_is_connected() { (($(grep -c "$SNAPCTL_SOCKET" /proc/net/unix) == 1)); }
