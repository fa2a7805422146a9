// SPDX-License-Identifier: GPL-2.0-or-later
//
// The model must refuse what the kernel refuses, or tests against it prove nothing.
#include <boost/test/unit_test.hpp>

#include <poll.h>

#include "dm/sim_mapper.h"

using namespace snapctl;
using namespace snapctl::dm;

namespace {

struct World {
	Fuse fuse;
	SimMapper mapper{fuse};
	const DmName data{"data"}, snap{"snap"};

	World()
	{
		mapper.add_block_device({8, 1}, Bytes{1 << 20}, "disk");
		mapper.add_block_device({7, 0}, Bytes{1 << 18}, "cow");
		mapper.create(data, DmUuid{"U-data"}, Visibility::shown);
		mapper.load(data, parse_table("0 2048 snapshot-origin 8:1"), false);
		mapper.resume(data, Visibility::shown);
		mapper.create(snap, DmUuid{"U-snap"}, Visibility::shown);
		mapper.load(snap, parse_table("0 2048 snapshot 8:1 7:0 PO 8"), false);
		mapper.resume(snap, Visibility::shown);
	}
	[[nodiscard]] bool readable()
	{
		pollfd fd{mapper.poll_fd(), POLLIN, 0};
		return ::poll(&fd, 1, 0) == 1;
	}
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(sim, World)

BOOST_AUTO_TEST_CASE(usage_is_what_a_test_says)
{
	BOOST_TEST(mapper.status(snap).at(0).text == "16/512 16");
	mapper.set_used(snap, Bytes{100 * 512});
	BOOST_TEST(mapper.status(snap).at(0).text == "100/512 16");
	mapper.set_state(snap, StatusWord::overflow);
	BOOST_TEST(mapper.status(snap).at(0).text == "Overflow");
	BOOST_TEST(mapper.info(snap)->event_nr == 2u);
}

BOOST_AUTO_TEST_CASE(events_make_the_descriptor_readable_until_it_is_armed)
{
	mapper.arm();
	BOOST_TEST(!readable());
	mapper.raise_event(snap);
	BOOST_TEST(readable());
	mapper.arm();
	BOOST_TEST(!readable());
}

BOOST_AUTO_TEST_CASE(devices_in_use_are_not_removed)
{
	mapper.set_open(snap, 1);
	BOOST_CHECK_THROW(mapper.remove(snap), Error);
	mapper.set_open(snap, 0);
	mapper.remove(snap);
	BOOST_TEST(!mapper.info(snap));
	mapper.create(snap, DmUuid{}, Visibility::shown);
	mapper.load(snap, parse_table("0 8 linear 253:0 0"), false);
	BOOST_CHECK_THROW(mapper.remove(data), Error);
}

BOOST_AUTO_TEST_CASE(store_is_handed_over_only_by_a_suspended_table)
{
	mapper.load(data, parse_table("0 2048 snapshot-merge 8:1 7:0 PO 8"), false);
	mapper.suspend(data, {});
	BOOST_CHECK_THROW(mapper.resume(data, Visibility::shown), Error);
	mapper.suspend(snap, {});
	mapper.resume(data, Visibility::shown);
	BOOST_TEST(mapper.status(data).at(0).text == "16/512 16");
	BOOST_TEST(mapper.status(snap).at(0).text == "Invalid");
}

BOOST_AUTO_TEST_CASE(names_uuids_and_tables_are_checked)
{
	BOOST_CHECK_THROW(mapper.create(data, DmUuid{"X"}, Visibility::shown), Error);
	BOOST_CHECK_THROW(mapper.create(DmName{"other"}, DmUuid{"U-data"}, Visibility::shown), Error);
	BOOST_CHECK_THROW(mapper.rename(snap, data), Error);
	BOOST_CHECK_THROW(mapper.load(data, parse_table("0 8 linear 9:9 0"), false), Error);
	BOOST_CHECK_THROW(mapper.load(data, parse_table("0 8 snapshot 8:1 8:1 P 8"), false), Error);
	BOOST_CHECK_THROW(mapper.load(data, {}, false), Error);
	mapper.module_is_ours = false;
	BOOST_CHECK_THROW(mapper.load(data, parse_table("0 8 snapshot 8:1 7:0 P 8 1 queue_if_no_space"), false), Error);
	BOOST_CHECK_THROW(mapper.message(snap, "stats"), Error);
}

BOOST_AUTO_TEST_CASE(suspended_device_is_resumed_by_its_guard)
{
	{
		const Suspended guard{mapper, data};
		BOOST_TEST(mapper.anything_suspended());
		BOOST_CHECK_THROW(mapper.settle(), Error);
	}
	BOOST_TEST(!mapper.anything_suspended());
	fuse.fail_at = fuse.count + 1;
	{
		Suspended guard{mapper, data};
		BOOST_CHECK_THROW(guard.resume(), Error);
		BOOST_TEST(mapper.anything_suspended());
	}
	BOOST_TEST(!mapper.anything_suspended());
}

BOOST_AUTO_TEST_CASE(a_killed_daemon_changes_nothing_more)
{
	fuse.kill_after = fuse.count;
	{
		BOOST_CHECK_THROW(const Suspended guard(mapper, data), Killed);
	}
	BOOST_TEST(mapper.anything_suspended());
	BOOST_CHECK_THROW(mapper.remove(snap), Killed);
}

BOOST_AUTO_TEST_SUITE_END()
