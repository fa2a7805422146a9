/* SPDX-License-Identifier: GPL-2.0-only */
/* The messages to snapshot and snapshot-merge; docs/targets.md has the list. */
#ifndef SNAP_MESSAGES_H
#define SNAP_MESSAGES_H

#include <linux/device-mapper.h>

/* A dm_message_fn; ti->private is a struct snapshot. */
int snap_message(struct dm_target *ti, unsigned int argc, char **argv,
		 char *result, unsigned int maxlen);

#endif
