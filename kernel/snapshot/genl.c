// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: events to a multicast group, counters as a dump.
 * uapi/snap_genl.h is its specification.
 */
#include <linux/device-mapper.h>
#include <linux/kdev_t.h>
#include <linux/ktime.h>
#include <net/genetlink.h>
#include "genl.h"
#include "registry.h"
#include "snapshot.h"
#include "stats.h"

static struct genl_family family;

static const struct genl_multicast_group groups[] = {
	{ .name = SNAP_GENL_GROUP_EVENTS, .flags = SNAP_GENL_GROUP_ADMIN },
};

static bool put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return !nla_put_u64_64bit(skb, attr, value, SNAP_GENL_A_PAD);
}

/* Who: false where the device is being removed, or the message is full. */
static bool put_identity(struct sk_buff *skb, struct snapshot *snap)
{
	struct mapped_device *md = dm_table_get_md(snap->ti->table);
	dev_t devt = disk_devt(dm_disk(md));
	char name[DM_NAME_LEN], uuid[DM_UUID_LEN];

	return !dm_copy_name_and_uuid(md, name, uuid) &&
	       !nla_put_u32(skb, SNAP_GENL_A_MAJOR, MAJOR(devt)) &&
	       !nla_put_u32(skb, SNAP_GENL_A_MINOR, MINOR(devt)) &&
	       !nla_put_string(skb, SNAP_GENL_A_NAME, name) &&
	       (!*uuid || !nla_put_string(skb, SNAP_GENL_A_UUID, uuid));
}

/* What events and the dump share. */
static bool put_state(struct sk_buff *skb, const struct snap_stats *stats)
{
	return !nla_put_u32(skb, SNAP_GENL_A_FLAGS, stats->flags) &&
	       put_u64(skb, SNAP_GENL_A_ALLOCATED, stats->usage.allocated_sectors) &&
	       put_u64(skb, SNAP_GENL_A_TOTAL, stats->usage.total_sectors) &&
	       put_u64(skb, SNAP_GENL_A_METADATA, stats->usage.metadata_sectors) &&
	       put_u64(skb, SNAP_GENL_A_FILL_RATE, stats->fill_rate) &&
	       put_u64(skb, SNAP_GENL_A_LOW_WATER, stats->low_water_sectors);
}

static bool put_counters(struct sk_buff *skb, const struct snap_stats *stats)
{
	return put_u64(skb, SNAP_GENL_A_EXCEPTIONS, stats->exceptions) &&
	       put_u64(skb, SNAP_GENL_A_COPIES, stats->copies) &&
	       put_u64(skb, SNAP_GENL_A_COPIED_BYTES, stats->copied_bytes) &&
	       put_u64(skb, SNAP_GENL_A_SHARED_COPIES, stats->shared_copies) &&
	       put_u64(skb, SNAP_GENL_A_COMMITS, stats->commits) &&
	       put_u64(skb, SNAP_GENL_A_WAITS, stats->waits) &&
	       put_u64(skb, SNAP_GENL_A_WAIT_NS, stats->wait_ns) &&
	       put_u64(skb, SNAP_GENL_A_SPACE_WAITS, stats->space_waits) &&
	       put_u64(skb, SNAP_GENL_A_SPACE_WAIT_NS, stats->space_wait_ns) &&
	       put_u64(skb, SNAP_GENL_A_WAITING, stats->waiting) &&
	       !nla_put_64bit(skb, SNAP_GENL_A_LATENCY, sizeof(stats->latency),
			      stats->latency, SNAP_GENL_A_PAD) &&
	       (!(stats->flags & SNAP_GENL_F_MERGE) ||
		put_u64(skb, SNAP_GENL_A_MERGE_RATE, stats->merge_rate_kib));
}

static bool fill_event(struct sk_buff *skb, struct snapshot *snap,
		       enum snap_genl_event event, u64 when_ns)
{
	struct snap_stats stats;

	snap_stats_get(snap, &stats);
	return !nla_put_u32(skb, SNAP_GENL_A_EVENT, event) &&
	       put_u64(skb, SNAP_GENL_A_TIME, when_ns) &&
	       put_identity(skb, snap) && put_state(skb, &stats);
}

void snap_genl_tell(struct snapshot *snap, enum snap_genl_event event,
		    u64 when_ns)
{
	/* No reserves and no patience: device-mapper's event does not depend on it. */
	gfp_t gfp = GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN;
	struct sk_buff *skb;
	void *header;

	if (!genl_has_listeners(&family, &init_net, 0))
		return;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, gfp);
	if (!skb)
		return;
	header = genlmsg_put(skb, 0, 0, &family, 0, SNAP_GENL_CMD_EVENT);
	if (!header || !fill_event(skb, snap, event, when_ns)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, header);
	genlmsg_multicast(&family, skb, 0, 0, gfp);
}

struct dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
};

/* -EMSGSIZE: the message is full, the dump goes on with this one. */
static int dump_one(struct snapshot *snap, void *context)
{
	struct dump *dump = context;
	struct snap_stats stats;
	void *header;

	header = genlmsg_put(dump->skb, NETLINK_CB(dump->cb->skb).portid,
			     dump->cb->nlh->nlmsg_seq, &family, NLM_F_MULTI,
			     SNAP_GENL_CMD_GET);
	if (!header)
		return -EMSGSIZE;
	snap_stats_get(snap, &stats);
	if (!put_identity(dump->skb, snap)) {
		genlmsg_cancel(dump->skb, header);
		/* No room for a name: for none of the rest either. */
		return skb_tailroom(dump->skb) < GENLMSG_DEFAULT_SIZE / 4 ?
			       -EMSGSIZE :
			       0;
	}
	if (!put_state(dump->skb, &stats) || !put_counters(dump->skb, &stats)) {
		genlmsg_cancel(dump->skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(dump->skb, header);
	return 0;
}

static int dump_all(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump dump = { .skb = skb, .cb = cb };
	u64 serial = cb->args[0];
	int r = snap_registry_walk(&serial, dump_one, &dump);

	cb->args[0] = serial;
	return r && !skb->len ? r : skb->len;
}

static const struct genl_small_ops ops[] = {
	{
		.cmd = SNAP_GENL_CMD_GET,
		.flags = GENL_ADMIN_PERM,
		.dumpit = dump_all,
	},
};

static struct genl_family family __ro_after_init = {
	.name = SNAP_GENL_NAME,
	.version = SNAP_GENL_VERSION,
	.module = THIS_MODULE,
	.small_ops = ops,
	.n_small_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int __init snap_genl_init(void)
{
	return genl_register_family(&family);
}

void snap_genl_exit(void)
{
	genl_unregister_family(&family);
}
