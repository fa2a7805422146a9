/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work for one thread at a time, where more of it may come while it is being done.
 *
 * Whoever brings work raises the turns. From 0: he sees to it that somebody takes them,
 * and they stay his until somebody does. Otherwise whoever has them looks again before
 * they are over, so nobody needs to be woken.
 *
 *	seen = snap_turns_seen(turns);
 *	... do what there is ...
 *	if (!snap_turns_over(turns, seen))
 *		once more
 */
#ifndef SNAP_TURNS_H
#define SNAP_TURNS_H

#include <linux/atomic.h>

struct snap_turns {
	atomic_t raised;
};

/* Any context. True: the caller sees to it that they are taken. */
static inline bool snap_turns_raise(struct snap_turns *turns)
{
	/* A full barrier: what was brought is visible before. */
	return atomic_inc_return(&turns->raised) == 1;
}

static inline int snap_turns_seen(struct snap_turns *turns)
{
	return atomic_read_acquire(&turns->raised);
}

/* False: nobody has them, and all that whoever had them did is visible. */
static inline bool snap_turns_raised(struct snap_turns *turns)
{
	return atomic_read_acquire(&turns->raised);
}

/* False: more came after @seen, and the turns are still the caller's. */
static inline bool snap_turns_over(struct snap_turns *turns, int seen)
{
	return !atomic_sub_return(seen, &turns->raised);
}

#endif
