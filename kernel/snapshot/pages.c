// SPDX-License-Identifier: GPL-2.0-only
/* The free pages are a stack, so that those in use are those in the caches. */
#include <linux/mm.h>
#include <linux/slab.h>
#include "pages.h"

void snap_pages_init(struct snap_pages *pages)
{
	spin_lock_init(&pages->lock);
	pages->free = NULL;
	pages->nr_free = 0;
	atomic_set(&pages->filled, 0);
}

void snap_pages_fill(struct snap_pages *pages, unsigned int nr)
{
	const gfp_t gfp = GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN;

	if (atomic_read(&pages->filled) || atomic_xchg(&pages->filled, 1))
		return;
	while (nr--) {
		struct snap_page *one = kmalloc(sizeof(*one), gfp);

		if (one)
			one->list.page = alloc_page(gfp);
		if (!one || !one->list.page) {
			kfree(one);
			return;
		}
		one->list.next = NULL;
		snap_pages_give(pages, &one->list);
	}
}

void snap_pages_exit(struct snap_pages *pages)
{
	while (pages->free) {
		struct page_list *one = pages->free;

		pages->free = one->next;
		__free_page(one->page);
		kfree(snap_page(one));
	}
}

struct page_list *snap_pages_take(struct snap_pages *pages, unsigned int nr)
{
	struct page_list *first = NULL, *last;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&pages->lock, flags);
	if (nr && nr <= pages->nr_free) {
		first = last = pages->free;
		for (i = 1; i < nr; i++)
			last = last->next;
		pages->free = last->next;
		last->next = NULL;
		pages->nr_free -= nr;
	}
	spin_unlock_irqrestore(&pages->lock, flags);
	return first;
}

void snap_pages_give(struct snap_pages *pages, struct page_list *list)
{
	struct page_list *last = list;
	unsigned int nr = 1;
	unsigned long flags;

	for (; last->next; last = last->next)
		nr++;
	spin_lock_irqsave(&pages->lock, flags);
	last->next = pages->free;
	pages->free = list;
	pages->nr_free += nr;
	spin_unlock_irqrestore(&pages->lock, flags);
}
