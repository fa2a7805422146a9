/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fixed set of pages that copies use in turn, as lists that dm-io takes. It is empty
 * until the first copy. Taking and giving work in any context.
 */
#ifndef SNAP_PAGES_H
#define SNAP_PAGES_H

#include <linux/atomic.h>
#include <linux/dm-io.h>
#include <linux/spinlock.h>

struct snap_pages {
	spinlock_t lock;
	struct page_list *free;
	unsigned int nr_free;
	atomic_t filled; /* or being filled */
};

/* A list that was taken belongs to whoever took it, and so do these of its first page. */
struct snap_page {
	struct page_list list;
	atomic_t nr_parts; /* that are being written from the list */
	sector_t weight;   /* of them together */
};

static inline struct snap_page *snap_page(struct page_list *list)
{
	return container_of(list, struct snap_page, list);
}

void snap_pages_init(struct snap_pages *pages);
/*
 * Fills the set; does nothing the second time. Sleeps, but not for I/O. Short of
 * memory the set has fewer pages than asked for, or none.
 */
void snap_pages_fill(struct snap_pages *pages, unsigned int nr);
/* All have been given back. */
void snap_pages_exit(struct snap_pages *pages);

/* @nr pages, or NULL when there are not as many. */
struct page_list *snap_pages_take(struct snap_pages *pages, unsigned int nr);
void snap_pages_give(struct snap_pages *pages, struct page_list *list);

#endif
