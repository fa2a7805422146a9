/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Events and counters of snapshots on generic netlink, version 1.
 *
 * Family "dm-snapshot", in the initial network namespace only. All numbers are in
 * the byte order of the machine; strings end with a NUL. A reader ignores
 * attributes, events and flags that it does not know: new ones may come without
 * a new version.
 *
 * Who may listen. Joining the group and asking for a dump take CAP_NET_ADMIN in
 * the initial user namespace; others get EPERM. (Kernels before 6.1.68 know the
 * older flag of the group only, with the same effect.)
 *
 * Events: multicast group "events", command SNAP_GENL_CMD_EVENT, one message an
 * event, with
 *
 *   EVENT TIME MAJOR MINOR NAME [UUID] FLAGS
 *   ALLOCATED TOTAL METADATA FILL_RATE [LOW_WATER]
 *
 * Usage, rate and flags are those of the moment at which the message is made,
 * shortly after TIME. Events are not queued without bound: one that happens
 * again before it was sent is sent once, with the later TIME. A reader that is
 * too slow gets ENOBUFS from its socket, a kernel without memory sends nothing; FLAGS of
 * a dump say what is true at any time, so a reader that lost events asks for
 * a dump. For every event but SNAP_GENL_EVENT_MERGE_PROGRESS device-mapper's own
 * event (dmsetup wait) is raised too, whatever becomes of the message.
 *
 * Dump: SNAP_GENL_CMD_GET with NLM_F_DUMP and without attributes. One message
 * of command SNAP_GENL_CMD_GET for each table of snapshot and snapshot-merge
 * that was resumed and still exists, with
 *
 *   MAJOR MINOR NAME [UUID] FLAGS ALLOCATED TOTAL METADATA FILL_RATE LOW_WATER
 *   EXCEPTIONS COPIES COPIED_BYTES SHARED_COPIES COMMITS
 *   WAITS WAIT_NS SPACE_WAITS SPACE_WAIT_NS WAITING LATENCY [MERGE_RATE]
 *
 * The counters start at 0 with the first table of a snapshot; a table that takes
 * over the exceptions of another (a reload, an extension, a merge) goes on with its
 * counters.
 */
#ifndef SNAP_UAPI_GENL_H
#define SNAP_UAPI_GENL_H

#define SNAP_GENL_NAME "dm-snapshot"
#define SNAP_GENL_VERSION 1
#define SNAP_GENL_GROUP_EVENTS "events"

enum snap_genl_cmd {
	SNAP_GENL_CMD_UNSPEC,
	SNAP_GENL_CMD_EVENT, /* from the kernel */
	SNAP_GENL_CMD_GET,   /* a dump and its answers */
};

enum snap_genl_attr {
	SNAP_GENL_A_UNSPEC,
	SNAP_GENL_A_PAD,	   /* no data: aligns what follows */
	SNAP_GENL_A_EVENT,	   /* u32, enum snap_genl_event */
	SNAP_GENL_A_TIME,	   /* u64, ns of CLOCK_MONOTONIC */
	SNAP_GENL_A_MAJOR,	   /* u32, of the mapped device */
	SNAP_GENL_A_MINOR,	   /* u32 */
	SNAP_GENL_A_NAME,	   /* string, of the mapped device */
	SNAP_GENL_A_UUID,	   /* string; absent when the device has none */
	SNAP_GENL_A_FLAGS,	   /* u32, SNAP_GENL_F_* */
	SNAP_GENL_A_ALLOCATED,	   /* u64, sectors of 512 bytes, with metadata */
	SNAP_GENL_A_TOTAL,	   /* u64, sectors: the COW device as it is now */
	SNAP_GENL_A_METADATA,	   /* u64, sectors */
	/*
	 * u64, bytes of the COW device taken per second, over the last tenths of
	 * a second; (TOTAL - ALLOCATED) * 512 / FILL_RATE seconds are left.
	 */
	SNAP_GENL_A_FILL_RATE,
	SNAP_GENL_A_LOW_WATER,	   /* u64, sectors; 0: no mark */
	SNAP_GENL_A_EXCEPTIONS,	   /* u64, chunks that have an exception now */
	SNAP_GENL_A_COPIES,	   /* u64, runs of chunks copied from the origin */
	SNAP_GENL_A_COPIED_BYTES,  /* u64, written to the COW device by them */
	SNAP_GENL_A_SHARED_COPIES, /* u64, of COPIES: read once for several snapshots */
	SNAP_GENL_A_COMMITS,	   /* u64, batches of exceptions made durable */
	SNAP_GENL_A_WAITS,	   /* u64, bios that waited for a copy or a commit */
	SNAP_GENL_A_WAIT_NS,	   /* u64, the sum of their times */
	SNAP_GENL_A_SPACE_WAITS,   /* u64, bios that waited for space */
	SNAP_GENL_A_SPACE_WAIT_NS, /* u64, the sum of their times */
	SNAP_GENL_A_WAITING,	   /* u64, bios that wait for space now */
	/*
	 * SNAP_GENL_LATENCY_BUCKETS times u64: first writes to chunks of the origin or the
	 * snapshot, by the time from the first look to the commit. Bucket 0
	 * counts less than 1 microsecond, bucket i from 2^(i-1) to less than 2^i
	 * microseconds, the last one also all above.
	 */
	SNAP_GENL_A_LATENCY,
	SNAP_GENL_A_MERGE_RATE,	   /* u64, KiB/s, 0: no limit; snapshot-merge only */
	__SNAP_GENL_A_MAX
};
#define SNAP_GENL_A_MAX (__SNAP_GENL_A_MAX - 1)

#define SNAP_GENL_LATENCY_BUCKETS 32

enum snap_genl_event {
	SNAP_GENL_EVENT_UNSPEC,
	SNAP_GENL_EVENT_INVALID,	/* the snapshot is lost */
	SNAP_GENL_EVENT_OVERFLOW,	/* readable, no longer writable */
	SNAP_GENL_EVENT_LOW_WATER,	/* free space fell to the mark */
	SNAP_GENL_EVENT_NO_SPACE,	/* a write waits for space */
	SNAP_GENL_EVENT_SPACE_FOUND,	/* what waited goes on */
	SNAP_GENL_EVENT_MERGE_PROGRESS, /* about once a second while merging */
	SNAP_GENL_EVENT_MERGE_DONE,
	SNAP_GENL_EVENT_MERGE_FAILED,
	SNAP_GENL_EVENT_MERGE_PAUSED,	/* by a message; it stands still now */
	SNAP_GENL_EVENT_MERGE_RESUMED,	/* by a message */
	__SNAP_GENL_EVENT_MAX
};
#define SNAP_GENL_EVENT_MAX (__SNAP_GENL_EVENT_MAX - 1)

#define SNAP_GENL_F_INVALID	 (1u << 0)
#define SNAP_GENL_F_OVERFLOW	 (1u << 1)
#define SNAP_GENL_F_LOW_WATER	 (1u << 2) /* free space is at or below the mark */
#define SNAP_GENL_F_NO_SPACE	 (1u << 3) /* writes wait for space */
#define SNAP_GENL_F_QUEUE	 (1u << 4) /* a write without room will wait */
#define SNAP_GENL_F_SUSPENDED	 (1u << 5)
#define SNAP_GENL_F_MERGE	 (1u << 6) /* a table of snapshot-merge */
#define SNAP_GENL_F_MERGE_DONE	 (1u << 7)
#define SNAP_GENL_F_MERGE_FAILED (1u << 8)
#define SNAP_GENL_F_MERGE_PAUSED (1u << 9)

#endif
