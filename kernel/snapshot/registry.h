/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is there: the origins in use, the snapshots by COW device, and which of
 * them waits for the exceptions of which.
 */
#ifndef SNAP_REGISTRY_H
#define SNAP_REGISTRY_H

#include <linux/mutex.h>
#include <linux/types.h>

struct block_device;
struct mapped_device;
struct snap_head;
struct snap_origin;
struct snapshot;

/*
 * Protects all that is said so in snapshot.h and origin.h. Taken inside a
 * mapped device's suspend lock, never the other way round; never held while I/O
 * of a head is waited for.
 */
extern struct mutex snap_registry_lock;

/* The origin of a device, made if it is the first use. ERR_PTR(-ENOMEM). */
struct snap_origin *snap_registry_get_origin(struct block_device *bdev);
void snap_registry_put_origin(struct snap_origin *origin);

/*
 * Registers a snapshot under its COW device and settles its role: owner, or
 * waiting for the exceptions of the live snapshot that uses the device. -EINVAL
 * with *@error when neither is possible.
 */
int snap_registry_enter(struct snapshot *snap, char **error);

/* Mirror of enter. A snapshot that waited for this one is left without source. */
void snap_registry_leave(struct snapshot *snap);

/*
 * Takes snap_registry_lock at a moment at which nobody is taking over the
 * exceptions of @snap; being_taken is set with the lock held, and cleared by
 * snap_registry_taken().
 */
void snap_registry_lock_untaken(struct snapshot *snap);
void snap_registry_taken(struct snapshot *snap);

/*
 * Calls @fn, with snap_registry_lock held, for the snapshots that came alive, behind the one
 * of number *@serial, and moves *@serial on. Stops at an -errno of @fn, and returns it.
 */
int snap_registry_walk(u64 *serial, int (*fn)(struct snapshot *snap, void *context),
		       void *context);

/*
 * A head starts or ends playing the origin. Idempotent. Adding is done with
 * snap_registry_lock held.
 */
void snap_registry_add_head(struct snap_origin *origin, struct snap_head *head,
			    struct dm_target *ti);
void snap_registry_del_head(struct snap_head *head);

#endif
