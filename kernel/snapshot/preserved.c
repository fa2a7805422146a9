// SPDX-License-Identifier: GPL-2.0-only
/* Pages of bits in an xarray, made when the first of their bits is set. */
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "preserved.h"

#define UNIT_SHIFT (12 - SECTOR_SHIFT)
#define UNIT_SECTORS (1U << UNIT_SHIFT)
#define UNITS_SHIFT (PAGE_SHIFT + 3)
#define UNITS (1UL << UNITS_SHIFT) /* in a page of bits: 128 MiB of the origin */

/*
 * A hint is worth no wait: the heads stand still when a map is made, pages come in
 * map(). Nor is it worth the reserves that the task which writes may have a right to.
 */
#define GFP_HINT (GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN)

static struct workqueue_struct *freeing;

struct snap_preserved *snap_preserved_create(void)
{
	struct snap_preserved *map = kzalloc(sizeof(*map), GFP_HINT);

	if (map)
		xa_init(&map->pages);
	return map;
}

/* There may be many pages, so not in a softirq. */
static void free_map(struct work_struct *work)
{
	struct snap_preserved *map =
		container_of(to_rcu_work(work), struct snap_preserved, free);
	unsigned long index;
	void *page;

	xa_for_each(&map->pages, index, page) {
		free_page((unsigned long)page);
		cond_resched();
	}
	xa_destroy(&map->pages);
	kfree(map);
}

void snap_preserved_free_rcu(struct snap_preserved *map)
{
	if (!map)
		return;
	INIT_RCU_WORK(&map->free, free_map);
	queue_rcu_work(freeing, &map->free);
}

int snap_preserved_init(void)
{
	freeing = alloc_workqueue("snap_preserved",
				  WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return freeing ? 0 : -ENOMEM;
}

void snap_preserved_exit(void)
{
	/* Those that wait for their grace period are not in the queue yet. */
	rcu_barrier();
	destroy_workqueue(freeing);
}

struct bits {
	unsigned long index; /* of the page */
	unsigned long first;
	unsigned long end;
};

/* The bits of [*@unit, @end) that lie in one page; *@unit moves behind them. */
static struct bits next_bits(u64 *unit, u64 end)
{
	struct bits bits = {
		.index = *unit >> UNITS_SHIFT,
		.first = *unit & (UNITS - 1),
	};

	bits.end = min_t(u64, UNITS, bits.first + (end - *unit));
	*unit += bits.end - bits.first;
	return bits;
}

bool snap_preserved_has(struct snap_preserved *map, sector_t sector,
			sector_t nr_sectors)
{
	u64 unit = sector >> UNIT_SHIFT;
	u64 end = (sector + nr_sectors + UNIT_SECTORS - 1) >> UNIT_SHIFT;

	if (!map)
		return false;
	while (unit < end) {
		struct bits bits = next_bits(&unit, end);
		unsigned long *page = xa_load(&map->pages, bits.index);

		if (!page ||
		    find_next_zero_bit(page, bits.end, bits.first) < bits.end)
			return false;
	}
	return true;
}

static unsigned long *page_of(struct snap_preserved *map, unsigned long index)
{
	void *page = xa_load(&map->pages, index);
	void *made, *other;

	if (page)
		return page;
	made = (void *)get_zeroed_page(GFP_HINT);
	if (!made)
		return NULL;
	other = xa_cmpxchg(&map->pages, index, NULL, made, GFP_HINT);
	if (!other)
		return made;
	free_page((unsigned long)made);
	return xa_is_err(other) ? NULL : other;
}

/* Others set bits of the same words at the same time; nobody clears any. */
static void set_bits(unsigned long *page, unsigned long first,
		     unsigned long end)
{
	while (first < end) {
		if (!(first % BITS_PER_LONG) && end - first >= BITS_PER_LONG) {
			WRITE_ONCE(page[first / BITS_PER_LONG], ~0UL);
			first += BITS_PER_LONG;
		} else {
			set_bit(first++, page);
		}
	}
}

void snap_preserved_add(struct snap_preserved *map, sector_t sector,
			sector_t nr_sectors)
{
	/* A unit of which a part was not looked at may lack just that. */
	u64 unit = (sector + UNIT_SECTORS - 1) >> UNIT_SHIFT;
	u64 end = (sector + nr_sectors) >> UNIT_SHIFT;

	if (!map)
		return;
	while (unit < end) {
		struct bits bits = next_bits(&unit, end);
		unsigned long *page = page_of(map, bits.index);

		if (!page)
			return;
		set_bits(page, bits.first, bits.end);
	}
}
