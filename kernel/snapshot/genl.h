/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic netlink family; uapi/snap_genl.h is its specification. */
#ifndef SNAP_GENL_FAMILY_H
#define SNAP_GENL_FAMILY_H

#include "snap_genl.h"

struct snapshot;

int snap_genl_init(void);
void snap_genl_exit(void);

/* Sends one event to who listens. May sleep; what cannot be sent is dropped. */
void snap_genl_tell(struct snapshot *snap, enum snap_genl_event event,
		    u64 when_ns);

#endif
