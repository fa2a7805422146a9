// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include "base/error.h"
#include "engine/names.h"
#include "engine/registry.h"

using namespace snapctl;
using namespace snapctl::engine;

BOOST_AUTO_TEST_SUITE(registry)

BOOST_AUTO_TEST_CASE(rows_are_kept_as_they_were)
{
	Registry its{":memory:"};
	OriginRow origin{"data", "1", "/dev/disk/by-id/it's \"odd\"", "data", true, 12345};
	its.put(origin);
	BOOST_TEST((to_fields(its.origin("data").value()) == to_fields(origin)));
	SnapshotRow row;
	row.name = "monday";
	row.on_full = OnFull::invalidate;
	row.kind = SpaceKind::volume_group;
	row.created_us = ~0ull;
	row.merging = row.stale = true;
	row.active = false;
	its.put(row);
	BOOST_TEST((to_fields(its.snapshot("monday").value()) == to_fields(row)));
	row.active = true;
	its.put(row);
	BOOST_TEST(its.snapshots().size() == 1u);
	BOOST_TEST(its.snapshots().at(0).active);
	its.remove_snapshot("monday");
	its.remove_origin("data");
	BOOST_TEST(its.snapshots().empty());
	BOOST_TEST(!its.origin("data"));
}

BOOST_AUTO_TEST_CASE(fields_are_packed_whatever_is_in_them)
{
	const std::vector<Fields> table{{}, {""}, {"a", "", "1:b"}, {std::string("\0\n'", 3), "\xff"}};
	for (const Fields& fields : table)
		BOOST_TEST((unpack(pack(fields)) == fields));
	for (const char* text : {"x", "1", "1:", "2:a", ":", "-1:a", "99999999999999999999:a", "1:ab"})
		BOOST_CHECK_THROW(static_cast<void>(unpack(text)), Error);
}

BOOST_AUTO_TEST_CASE(rows_that_make_no_sense_are_damage)
{
	SnapshotRow row;
	Fields fields = to_fields(row);
	fields[4] = "many";
	BOOST_CHECK_THROW(static_cast<void>(snapshot_from_fields(fields)), Error);
	fields = to_fields(row);
	fields[7] = "explode";
	BOOST_CHECK_THROW(static_cast<void>(snapshot_from_fields(fields)), Error);
	fields.pop_back();
	BOOST_CHECK_THROW(static_cast<void>(snapshot_from_fields(fields)), Error);
	BOOST_CHECK_THROW(static_cast<void>(origin_from_fields({})), Error);
}

BOOST_AUTO_TEST_CASE(journal_says_how_far_a_plan_came)
{
	Registry its{":memory:"};
	Journal journal;
	journal.what = "create monday";
	journal.commit = 2;
	journal.steps = {{"create_file", {"/x", "1"}, {}}, {"load", {"a", "b c"}, {}}};
	const auto id = its.begin(journal);
	its.set_state(id, 0, JournalStep::State::done);
	its.set_state(id, 1, JournalStep::State::begun);
	const auto open = its.open_journals();
	BOOST_REQUIRE(open.size() == 1u);
	BOOST_TEST(open[0].what == "create monday");
	BOOST_TEST(open[0].commit == 2u);
	BOOST_TEST((open[0].steps[0].state == JournalStep::State::done));
	BOOST_TEST((open[0].steps[1].state == JournalStep::State::begun));
	BOOST_TEST((open[0].steps[1].args == Fields{"a", "b c"}));
	its.end(id);
	BOOST_TEST(its.open_journals().empty());
}

BOOST_AUTO_TEST_CASE(longest_names_fit_into_what_the_kernel_holds)
{
	const std::string name(object_name_max, 'x'), id(id_length, 'f');
	check_object_name("test", name);
	BOOST_TEST(inner_name(name).str().size() <= dm_name_max);
	for (const DmUuid& uuid : {origin_uuid(id), inner_uuid(id), snapshot_uuid(id)}) {
		BOOST_TEST(uuid.str().size() <= dm_uuid_max);
		BOOST_TEST(uuid.str().starts_with(uuid_prefix));
	}
	// A file's name, and a volume's with a group's.
	BOOST_TEST(file_name(name, id).size() <= 255u);
	BOOST_TEST(volume_name(name, id).size() < 127u);
}

BOOST_AUTO_TEST_SUITE_END()
