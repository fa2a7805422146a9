// SPDX-License-Identifier: GPL-2.0-only
/* What all exception stores share. */
#include <linux/log2.h>
#include <linux/string.h>
#include "store.h"

static const struct snap_store_type *const types[] = {
	&snap_store_persistent,
	&snap_store_transient,
};

const struct snap_store_type *snap_store_type_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcasecmp(types[i]->name, name))
			return types[i];
	return NULL;
}

void snap_store_set_chunk(struct snap_store *store, u32 chunk_sectors)
{
	store->chunk_sectors = chunk_sectors;
	store->chunk_shift = ilog2(chunk_sectors);
}
