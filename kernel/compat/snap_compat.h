/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only place that knows kernel versions. The other files are written for
 * 6.12; what an older kernel lacks or spells differently is brought here. Each
 * piece says which version changed it.
 */
#ifndef SNAP_COMPAT_H
#define SNAP_COMPAT_H

#include <linux/version.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <net/genetlink.h>

/*
 * Exported to GPL modules, but declared in device-mapper's private header only.
 * Suspend takes md's suspend lock and waits until no I/O of md is in flight;
 * resume drops it.
 */
void dm_internal_suspend_fast(struct mapped_device *md);
void dm_internal_resume_fast(struct mapped_device *md);
/*
 * Also without that header. Runs the hooks of the targets as a suspend without flush does,
 * so that a target can push back what it holds; the lock is not held in between.
 * 6.1.83: the hooks of resume run too; before, only those of suspend.
 */
void dm_internal_suspend_noflush(struct mapped_device *md);
void dm_internal_resume(struct mapped_device *md);

/* 6.7 (and 6.1.68): another name for the flag of a multicast group. */
#ifdef GENL_MCAST_CAP_NET_ADMIN
#define SNAP_GENL_GROUP_ADMIN GENL_MCAST_CAP_NET_ADMIN
#else
#define SNAP_GENL_GROUP_ADMIN GENL_UNS_ADMIN_PERM
#endif

/* 6.5: devices are opened with a blk_mode_t of its own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
typedef fmode_t blk_mode_t;
#define BLK_OPEN_READ FMODE_READ
#define BLK_OPEN_WRITE FMODE_WRITE
#endif

/* 6.12 (or shortly before): an errno beside the device number. */
static inline int snap_devt_from_path(const char *path, dev_t *devt)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	*devt = dm_get_dev_t(path);
	return *devt ? 0 : -ENODEV;
#else
	return dm_devt_from_path(path, devt);
#endif
}

/* 6.9: max_discard_sectors is derived from the limit of the hardware. */
static inline void snap_limits_set_discard(struct queue_limits *limits,
					   unsigned int granularity_bytes,
					   unsigned int max_sectors)
{
	limits->discard_granularity = granularity_bytes;
	limits->max_hw_discard_sectors = max_sectors;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	limits->max_discard_sectors = max_sectors;
#endif
}

#endif
