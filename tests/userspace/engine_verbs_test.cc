// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every verb, and every refusal, on the simulated machine.
#include "engine_fixture.h"

using namespace snapctl;
using namespace snapctl::engine;
using snapctl::test::EngineFixture;
using snapctl::test::refuses;

namespace {

constexpr std::uint64_t mib = 1 << 20;

} // namespace

BOOST_FIXTURE_TEST_SUITE(verbs, EngineFixture)

// ---- origins -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(plain_device_becomes_an_origin_of_its_name)
{
	add_data();
	const OriginState state = origin("data");
	BOOST_TEST(state.device == "/dev/sda");
	BOOST_TEST(state.device_node == "/dev/mapper/data");
	BOOST_TEST(state.size.count == 1024 * mib);
	BOOST_TEST(!state.taken_over);
	BOOST_TEST(!state.major_minor.empty());
	BOOST_TEST(sim.engine().table("data").at(0) == "data: 0 2097152 snapshot-origin 8:16");
	check_sound();
}

BOOST_AUTO_TEST_CASE(mapped_device_in_use_is_taken_over_and_given_back)
{
	const std::string before = sim.mapper.dump();
	const Outcome outcome = run(OriginAdd{"home", "/dev/mapper/vg-home"});
	BOOST_TEST(outcome.stood_still.has_value());
	const OriginState state = origin("home");
	BOOST_TEST(state.taken_over);
	BOOST_TEST(state.device_node == "/dev/mapper/vg-home");
	const auto lines = sim.engine().table("home");
	BOOST_TEST(lines.size() == 2u);
	BOOST_TEST(lines[0] == "vg-home: 0 1048576 snapshot-origin 253:1");
	BOOST_TEST(lines[1] == "snapctl-home-real: 0 1048576 linear 8:64 0");
	check_sound();
	run(OriginRemove{"home"});
	BOOST_TEST(sim.mapper.dump() == before);
	BOOST_TEST(sim.engine().origins().empty());
	check_sound();
}

BOOST_AUTO_TEST_CASE(plain_origin_is_given_back)
{
	const std::string before = sim.mapper.dump();
	add_data();
	run(OriginRemove{"data"});
	BOOST_TEST(sim.mapper.dump() == before);
}

BOOST_AUTO_TEST_CASE(origins_that_make_no_sense_are_refused)
{
	refuses(*this, OriginAdd{"a/b", "/dev/sda"}, "a name is made of");
	refuses(*this, OriginAdd{"", "/dev/sda"}, "a name is made of");
	refuses(*this, OriginAdd{"-x", "/dev/sda"}, "a name is made of");
	refuses(*this, OriginAdd{std::string(65, 'x'), "/dev/sda"}, "at most 64");
	refuses(*this, OriginAdd{"control", "/dev/sda"}, "device-mapper's own");
	refuses(*this, OriginAdd{"vg-home", "/dev/sda"}, "another device has the node");
	refuses(*this, OriginAdd{"data", "/dev/nothing"}, "No such file");
	sim.host.set_in_use("/dev/sda", true);
	refuses(*this, OriginAdd{"data", "/dev/sda"}, "it is in use");
	sim.host.set_in_use("/dev/sda", false);
	add_data();
	refuses(*this, OriginAdd{"data", "/dev/sdb"}, "an origin has this name");
	refuses(*this, OriginAdd{"more", "/dev/sda"}, "it is the origin data already");
	refuses(*this, OriginAdd{"more", "/dev/mapper/data"}, "it is the origin data already");
	run(one("data", "monday"));
	refuses(*this, OriginAdd{"monday", "/dev/sdb"}, "a snapshot has this name");
	refuses(*this, OriginAdd{"more", "/dev/mapper/monday"}, "it belongs to the snapshot monday");
	refuses(*this, OriginRemove{"data"}, "it has snapshots: monday");
	refuses(*this, OriginRemove{"nothing"}, "there is no such origin");
	run(Remove{"monday"});
	sim.mapper.set_open(DmName{"data"}, 1);
	refuses(*this, OriginRemove{"data"}, "is in use");
}

BOOST_AUTO_TEST_CASE(device_whose_table_cannot_be_moved_is_refused_while_in_use)
{
	const DmName pool{"pool"};
	sim.mapper.create(pool, DmUuid{}, dm::Visibility::shown);
	sim.mapper.load(pool, dm::parse_table("0 2048 thin-pool 8:32 8:48 128 0"), false);
	sim.mapper.resume(pool, dm::Visibility::shown);
	sim.mapper.set_open(pool, 1);
	refuses(*this, OriginAdd{"p", "/dev/mapper/pool"}, "its table cannot be moved: thin-pool");
	sim.mapper.set_open(pool, 0);
	run(OriginAdd{"p", "/dev/mapper/pool"});
	BOOST_TEST(origin("p").device_node == "/dev/mapper/p");
}

// ---- create --------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(snapshot_has_a_fifth_of_its_origin_in_a_file)
{
	add_data();
	const Outcome outcome = run(one("data", "monday"));
	BOOST_TEST(outcome.stood_still.has_value());
	const SnapshotState state = snapshot("monday");
	BOOST_TEST((state.health == Health::active));
	BOOST_TEST(state.origin == "data");
	BOOST_TEST(state.chunk.count == 4096u);
	BOOST_TEST(state.size.count == 1024 * mib);
	BOOST_TEST(state.cow_device == "/dev/loop0");
	BOOST_REQUIRE(state.usage);
	BOOST_TEST(state.usage->total.count == 205 * mib);
	BOOST_TEST(sim.engine().table("monday").at(0) ==
		   "monday: 0 2097152 snapshot 8:16 7:0 PO 8 5 queue_if_no_space low_water_mark 83968 no_space_timeout 60");
	BOOST_TEST(told(EventKind::created) == 1u);
	check_sound();
}

BOOST_AUTO_TEST_CASE(kernels_own_module_gets_tables_without_our_features)
{
	sim.mapper.module_is_ours = false;
	add_data();
	const Outcome outcome = run(one("data", "monday"));
	BOOST_TEST(outcome.text.find("cannot hold I/O back") != std::string::npos);
	BOOST_TEST(sim.engine().table("monday").at(0) == "monday: 0 2097152 snapshot 8:16 7:0 PO 8");
}

BOOST_AUTO_TEST_CASE(options_of_create_reach_the_table)
{
	add_data();
	Create create = one("data", "monday");
	create.size = Bytes{64 * mib};
	create.chunk = Bytes{65536};
	create.on_full = OnFull::invalidate;
	create.read_only = true;
	run(create);
	BOOST_TEST(sim.engine().table("monday").at(0) == "monday: 0 2097152 snapshot 8:16 7:0 P 128 2 low_water_mark 26214");
	BOOST_TEST(sim.mapper.info(DmName{"monday"})->read_only);
	create = one("data", "tuesday");
	create.transient = true;
	create.on_full = OnFull::overflow;
	run(create);
	BOOST_TEST(sim.engine().table("tuesday").at(0).find(" N 8 ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(space_comes_from_a_volume_group_or_a_device)
{
	add_data();
	Create create = one("data", "monday");
	create.space = {SpaceKind::volume_group, "vg"};
	run(create);
	BOOST_TEST(snapshot("monday").cow_device.starts_with("/dev/vg/snapctl-monday-"));
	BOOST_TEST(snapshot("monday").usage->total.count == 208 * mib);
	create = one("data", "tuesday");
	create.space = {SpaceKind::device, "/dev/sdb"};
	run(create);
	BOOST_TEST(snapshot("tuesday").cow_device == "/dev/sdb");
	BOOST_TEST(snapshot("tuesday").usage->total.count == 256 * mib);
	refuses(*this, [&] { auto c = create; c.members = {{"data", "wednesday"}}; return Change{c}; }(), "it holds the copies of tuesday");
}

BOOST_AUTO_TEST_CASE(more_space_than_can_be_used_is_not_taken)
{
	add_data();
	Create create = one("data", "monday");
	create.size = Percent{500};
	run(create);
	// The origin, four per mille for areas, up to the next MiB.
	BOOST_TEST(snapshot("monday").usage->total.count == 1029 * mib);
}

BOOST_AUTO_TEST_CASE(set_is_taken_at_one_instant)
{
	add_data();
	add_home();
	Create create;
	create.members = {{"data", "d1"}, {"home", "h1"}};
	create.set = "nightly";
	const std::size_t before = sim.fuse.log.size();
	const Outcome outcome = run(create);
	BOOST_TEST(outcome.stood_still.has_value());
	BOOST_TEST(snapshot("d1").set == "nightly");
	BOOST_TEST(snapshot("h1").set == "nightly");
	// All stand still before the first is taken, and until the last is.
	std::vector<std::string> order;
	for (std::size_t i = before; i < sim.fuse.log.size(); i++)
		if (sim.fuse.log[i].starts_with("suspend") || sim.fuse.log[i].starts_with("resume"))
			order.push_back(sim.fuse.log[i]);
	const std::vector<std::string> expected{"suspend data", "suspend vg-home", "resume d1", "resume h1", "resume data", "resume vg-home"};
	BOOST_TEST(order == expected, boost::test_tools::per_element());
	check_sound();
}

BOOST_AUTO_TEST_CASE(snapshots_that_make_no_sense_are_refused)
{
	add_data();
	add_home();
	refuses(*this, one("nothing", "monday"), "there is no such origin");
	refuses(*this, one("data", "a b"), "a name is made of");
	refuses(*this, one("data", "data"), "an origin has this name");
	refuses(*this, one("data", "vg-home"), "another device has the node");
	Create create = one("data", "monday");
	create.members.clear();
	refuses(*this, create, "no origin was named");
	create.members = {{"data", "x"}, {"home", "y"}};
	refuses(*this, create, "which needs a name");
	create.set = "s";
	create.space = {SpaceKind::device, "/dev/sdb"};
	refuses(*this, create, "one device cannot hold");
	create.space = {};
	create.members = {{"data", "x"}, {"home", "x"}};
	refuses(*this, create, "it is named twice");
	for (const std::uint64_t chunk : {0ull, 100ull, 3000ull, 2ull << 30}) {
		create = one("data", "monday");
		create.chunk = Bytes{chunk};
		refuses(*this, create, "chunk size");
	}
	create = one("data", "monday");
	create.size = Bytes{4096};
	refuses(*this, create, "too little");
	create.size = Bytes{512 * mib};
	create.space = {SpaceKind::file, "relative"};
	refuses(*this, create, "from the root on");
	create.space = {SpaceKind::volume_group, "nothing"};
	refuses(*this, create, "there is none of this name");
	create.space = {SpaceKind::device, "/dev/nothing"};
	refuses(*this, create, "No such file");
}

BOOST_AUTO_TEST_CASE(places_without_room_are_refused)
{
	add_data();
	sim.host.add_mount("/small", "/dev/sdc", Bytes{10 * mib});
	Create create = one("data", "monday");
	create.space = {SpaceKind::file, "/small/cow"};
	refuses(*this, create, "there is no room");
	sim.host.add_volume_group("little", Bytes{10 * mib}, {"/dev/sdc"});
	create.space = {SpaceKind::volume_group, "little"};
	refuses(*this, create, "has no room");
}

BOOST_AUTO_TEST_CASE(file_that_lies_on_the_origin_is_refused)
{
	add_data();
	sim.host.add_mount("/srv", "/dev/mapper/data", Bytes{900 * mib});
	Create create = one("data", "monday");
	create.space = {SpaceKind::file, "/srv/cow"};
	refuses(*this, create, "it lies on the origin data itself");
	// Also through other devices.
	const DmName top{"top"};
	sim.mapper.create(top, DmUuid{}, dm::Visibility::shown);
	sim.mapper.load(top, {{Sectors{0}, Sectors{2048}, dm::Linear{sim.mapper.info(DmName{"data"})->number.str(), Sectors{0}}}}, false);
	sim.mapper.resume(top, dm::Visibility::shown);
	sim.host.add_mount("/top", "/dev/mapper/top", Bytes{900 * mib});
	create.space = {SpaceKind::file, "/top/cow"};
	refuses(*this, create, "it lies on the origin data itself");
	sim.host.add_volume_group("above", Bytes{900 * mib}, {"/dev/mapper/top"});
	create.space = {SpaceKind::volume_group, "above"};
	refuses(*this, create, "it lies on the origin data itself");
	for (const char* device : {"/dev/mapper/top", "/dev/mapper/data", "/dev/sda"}) {
		create.space = {SpaceKind::device, device};
		refuses(*this, create, "it lies on the origin data itself");
	}
	// Another origin's file system is fine.
	add_home();
	create = one("home", "monday");
	create.space = {SpaceKind::file, "/srv/cow"};
	run(create);
}

BOOST_AUTO_TEST_CASE(file_on_a_taken_over_origin_is_refused)
{
	add_home();
	sim.host.add_mount("/homes", "/dev/mapper/vg-home", Bytes{400 * mib});
	Create create = one("home", "monday");
	create.space = {SpaceKind::file, "/homes/cow"};
	refuses(*this, create, "it lies on the origin home itself");
}

BOOST_AUTO_TEST_CASE(device_that_carries_something_is_refused)
{
	add_data();
	Create create = one("data", "monday");
	create.space = {SpaceKind::device, "/dev/sdb"};
	sim.host.set_content("/dev/sdb", "ext4");
	refuses(*this, create, "it is not empty: ext4");
	sim.host.set_content("/dev/sdb", "");
	sim.host.set_in_use("/dev/sdb", true);
	refuses(*this, create, "it is in use");
}

// ---- remove, rename, extend ---------------------------------------------------------------

BOOST_AUTO_TEST_CASE(remove_leaves_nothing)
{
	add_data();
	const std::string before = world();
	for (const Space& space : {Space{SpaceKind::file, ""}, Space{SpaceKind::volume_group, "vg"}, Space{SpaceKind::device, "/dev/sdb"}}) {
		Create create = one("data", "monday");
		create.space = space;
		run(create);
		BOOST_TEST(world() != before);
		run(Remove{"monday"});
		BOOST_TEST(world() == before);
	}
	BOOST_TEST(told(EventKind::removed) == 3u);
	check_sound();
}

BOOST_AUTO_TEST_CASE(snapshot_in_use_is_not_removed)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_open(DmName{"monday"}, 1);
	refuses(*this, Remove{"monday"}, "is in use");
	refuses(*this, Remove{"tuesday"}, "there is no such snapshot");
}

BOOST_AUTO_TEST_CASE(rename_works_while_in_use)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_open(DmName{"monday"}, 1);
	run(Rename{"monday", "blue"});
	BOOST_TEST(snapshot("blue").device_node == "/dev/mapper/blue");
	BOOST_TEST((snapshot("blue").health == Health::active));
	BOOST_TEST(!run(Rename{"blue", "blue"}).changed);
	refuses(*this, Rename{"blue", "data"}, "an origin has this name");
	refuses(*this, Rename{"blue", "x/y"}, "a name is made of");
	// The old name is free, and the file's name does not collide.
	run(one("data", "monday"));
	check_sound();
}

BOOST_AUTO_TEST_CASE(extend_grows_every_kind_of_space)
{
	add_data();
	Create create = one("data", "f");
	create.size = Bytes{100 * mib};
	run(create);
	run(Extend{"f", Percent{50}});
	BOOST_TEST(snapshot("f").usage->total.count == 150 * mib);
	run(Extend{"f", Bytes{10 * mib}});
	BOOST_TEST(snapshot("f").usage->total.count == 160 * mib);
	BOOST_TEST(sim.mapper.messages().back() == "f: low_water_mark 65536");

	create = one("data", "v");
	create.space = {SpaceKind::volume_group, "vg"};
	create.size = Bytes{100 * mib};
	run(create);
	run(Extend{"v", Bytes{1}});
	BOOST_TEST(snapshot("v").usage->total.count == 104 * mib);

	create = one("data", "d");
	create.space = {SpaceKind::device, "/dev/sdb"};
	run(create);
	sim.host.grow_disk("/dev/sdb", Bytes{300 * mib});
	run(Extend{"d", Percent{10}});
	BOOST_TEST(snapshot("d").usage->total.count == 300 * mib);
	BOOST_TEST(told(EventKind::extended) == 4u);
	check_sound();
}

BOOST_AUTO_TEST_CASE(extend_ends_at_what_can_be_used)
{
	add_data();
	run(one("data", "f"));
	run(Extend{"f", Percent{1000}});
	BOOST_TEST(snapshot("f").usage->total.count == 1029 * mib);
	BOOST_TEST(!run(Extend{"f", Percent{10}}).changed);
	refuses(*this, Extend{"f", Bytes{0}}, "that is nothing");
	sim.host.add_mount("/small", "/dev/sdc", Bytes{110 * mib});
	Create create = one("data", "g");
	create.space = {SpaceKind::file, "/small"};
	create.size = Bytes{100 * mib};
	run(create);
	refuses(*this, Extend{"g", Bytes{20 * mib}}, "there is no room");
}

BOOST_AUTO_TEST_CASE(extending_an_overflowed_snapshot_makes_it_writable_again)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_state(DmName{"monday"}, dm::StatusWord::overflow);
	BOOST_TEST((snapshot("monday").health == Health::overflow));
	run(Extend{"monday", Percent{10}});
	BOOST_TEST((snapshot("monday").health == Health::active));
	sim.mapper.set_state(DmName{"monday"}, dm::StatusWord::invalid);
	refuses(*this, Extend{"monday", Percent{10}}, "it is lost");
}

// ---- deactivate, activate -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(origin_is_read_only_while_a_snapshot_is_inactive)
{
	add_data();
	run(one("data", "monday"));
	run(one("data", "tuesday"));
	run(Deactivate{"monday"});
	BOOST_TEST((snapshot("monday").health == Health::inactive));
	BOOST_TEST(sim.mapper.info(DmName{"data"})->read_only);
	BOOST_TEST(!run(Deactivate{"monday"}).changed);
	run(Deactivate{"tuesday"});
	run(Activate{"monday"});
	BOOST_TEST(sim.mapper.info(DmName{"data"})->read_only);
	BOOST_TEST(!run(Activate{"monday"}).changed);
	run(Activate{"tuesday"});
	BOOST_TEST(!sim.mapper.info(DmName{"data"})->read_only);
	BOOST_TEST((snapshot("monday").health == Health::active));
	BOOST_TEST((snapshot("tuesday").health == Health::active));
	check_sound();
}

BOOST_AUTO_TEST_CASE(removing_the_inactive_snapshot_frees_the_origin)
{
	add_data();
	run(one("data", "monday"));
	run(Deactivate{"monday"});
	run(Remove{"monday"});
	BOOST_TEST(!sim.mapper.info(DmName{"data"})->read_only);
}

BOOST_AUTO_TEST_CASE(deactivations_that_would_lose_data_are_refused)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_open(DmName{"data"}, 1);
	refuses(*this, Deactivate{"monday"}, "its origin data is in use");
	sim.mapper.set_open(DmName{"data"}, 0);
	sim.mapper.set_open(DmName{"monday"}, 1);
	refuses(*this, Deactivate{"monday"}, "is in use");
	Create create = one("data", "t");
	create.transient = true;
	run(create);
	refuses(*this, Deactivate{"t"}, "it is transient");
}

// ---- merge ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(merge_runs_to_its_end_and_gives_everything_back)
{
	add_data();
	const std::string before = world();
	run(one("data", "monday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	BOOST_TEST((snapshot("monday").health == Health::merging));
	BOOST_REQUIRE(snapshot("monday").merge);
	BOOST_TEST(snapshot("monday").merge->left.count == 50 * mib - 8192);
	BOOST_TEST(snapshot("monday").merge->at_start.count == 50 * mib - 8192);
	BOOST_TEST(sim.engine().table("monday").at(0) == "data: 0 2097152 snapshot-merge 8:16 7:0 PO 8");
	BOOST_TEST(!sim.mapper.info(DmName{"monday"}));
	sim.mapper.set_used(DmName{"data"}, Bytes{20 * mib});
	sim.host.advance(std::chrono::seconds{1});
	sim.engine().poll();
	BOOST_TEST(told(EventKind::merge_progress) == 1u);
	sim.mapper.set_used(DmName{"data"}, Bytes{10 * mib});
	sim.host.advance(std::chrono::seconds{1});
	sim.engine().poll();
	BOOST_TEST(snapshot("monday").merge->rate.count > 9 * mib);
	BOOST_TEST(snapshot("monday").merge->time_left.has_value());
	sim.mapper.set_used(DmName{"data"}, Bytes{8192});
	sim.engine().poll();
	BOOST_TEST(told(EventKind::merge_done) == 1u);
	BOOST_TEST(world() == before);
	check_sound();
}

BOOST_AUTO_TEST_CASE(merge_of_a_taken_over_origin_in_use)
{
	add_home();
	const std::string before = world();
	run(one("home", "monday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	// Not under those who use it.
	const std::string made = world();
	BOOST_TEST(run(Merge{"monday", Bytes{8 * mib}}).text.find("home is in use: the merge begins when it is not") == 0);
	BOOST_TEST(snapshot("monday").merge_wanted);
	sim.engine().poll();
	BOOST_TEST(world() == made);
	BOOST_TEST(!run(Merge{"monday", Bytes{8 * mib}}).changed);
	run(MergeControl{"monday", MergeControl::What::pause, {}});
	BOOST_TEST(!snapshot("monday").merge_wanted);
	run(Merge{"monday", Bytes{8 * mib}});
	sim.mapper.set_open(DmName{"vg-home"}, 0);
	sim.engine().poll();
	BOOST_TEST(!snapshot("monday").merge_wanted);
	BOOST_TEST((snapshot("monday").health == Health::merging));
	BOOST_TEST(dm::format_table(sim.mapper.table(DmName{"vg-home"})).find(" 2 merge_rate 8192\n") != std::string::npos);
	sim.mapper.set_used(DmName{"vg-home"}, Bytes{8192});
	sim.engine().poll();
	sim.mapper.set_open(DmName{"vg-home"}, 1);
	BOOST_TEST(world() == before);
}

BOOST_AUTO_TEST_CASE(wanted_merge_that_cannot_begin_is_told_and_wanted_no_more)
{
	add_home();
	run(one("home", "monday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	BOOST_TEST(snapshot("monday").merge_wanted);
	sim.mapper.set_open(DmName{"vg-home"}, 0);
	sim.fuse.fail_at = sim.fuse.count + 3; // once something was done
	sim.engine().poll();
	sim.fuse.fail_at = Fuse::never;
	BOOST_TEST(told(EventKind::merge_failed) == 1u);
	BOOST_TEST(!snapshot("monday").merge_wanted);
	BOOST_TEST((snapshot("monday").health == Health::active));
	check_sound();
	sim.engine().poll();
	BOOST_TEST(told(EventKind::merge_failed) == 1u);
	run(Merge{"monday", {}});
	BOOST_TEST((snapshot("monday").health == Health::merging));
}

BOOST_AUTO_TEST_CASE(merge_that_is_wanted_begins_with_the_next_boot)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	sim.mapper.set_open(DmName{"data"}, 1);
	run(Merge{"monday", {}});
	BOOST_TEST((snapshot("monday").health == Health::active));
	sim.reboot();
	(void)sim.engine().activate_all();
	BOOST_TEST((snapshot("monday").health == Health::merging));
	BOOST_TEST(!snapshot("monday").merge_wanted);
}

BOOST_AUTO_TEST_CASE(nothing_else_replaces_the_table_of_a_merge)
{
	add_data();
	run(one("data", "monday"));
	run(one("data", "tuesday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	const std::string merging = dm::format_table(sim.mapper.table(DmName{"data"}));
	refuses(*this, Deactivate{"tuesday"}, "monday is being merged into the same origin");
	run(Remove{"tuesday"});
	BOOST_TEST(dm::format_table(sim.mapper.table(DmName{"data"})) == merging);
}

BOOST_AUTO_TEST_CASE(full_snapshot_that_waits_is_not_lost_to_a_suspend)
{
	add_data();
	run(one("data", "monday"));
	run(one("data", "tuesday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{~0ull >> 1});
	sim.mapper.set_used(DmName{"monday"}, snapshot("monday").usage->total);
	refuses(*this, one("data", "wednesday"), "it is full, and would be lost");
	refuses(*this, Merge{"tuesday", {}}, "it is full, and would be lost");
	run(Remove{"monday"});
	run(one("data", "wednesday"));
}

BOOST_AUTO_TEST_CASE(origins_are_suspended_before_those_that_their_snapshots_write_to)
{
	add_data();
	add_home();
	sim.host.add_mount("/srv", "/dev/mapper/data", Bytes{900 * mib});
	Create create = one("home", "monday");
	create.space = {SpaceKind::file, "/srv"};
	run(create);
	// The other way round both would wait for each other.
	sim.host.add_mount("/homes", "/dev/mapper/vg-home", Bytes{400 * mib});
	create = one("data", "d");
	create.space = {SpaceKind::file, "/homes"};
	refuses(*this, create, "it lies on the origin data itself");
	create = Create{};
	create.set = "night";
	create.members = {{"data", "data-night"}, {"home", "home-night"}};
	create.space = {SpaceKind::volume_group, "vg"};
	const auto plan = sim.engine().plan(create);
	const std::string& section = plan->steps().back().text;
	BOOST_TEST(section.find("suspend vg-home") < section.find("suspend data"), section);
}

BOOST_AUTO_TEST_CASE(merge_is_paused_resumed_and_limited_by_messages)
{
	add_data();
	run(one("data", "monday"));
	refuses(*this, MergeControl{"monday", MergeControl::What::pause, {}}, "it is not being merged");
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	run(MergeControl{"monday", MergeControl::What::pause, {}});
	BOOST_TEST(sim.mapper.messages().back() == "data: merge pause");
	BOOST_TEST(snapshot("monday").merge->paused);
	run(MergeControl{"monday", MergeControl::What::resume, {}});
	BOOST_TEST(sim.mapper.messages().back() == "data: merge resume");
	BOOST_TEST(!snapshot("monday").merge->paused);
	run(MergeControl{"monday", MergeControl::What::rate, Bytes{1}});
	BOOST_TEST(sim.mapper.messages().back() == "data: merge rate 1");
	run(MergeControl{"monday", MergeControl::What::rate, Bytes{0}});
	BOOST_TEST(sim.mapper.messages().back() == "data: merge rate 0");
	BOOST_TEST(!run(Merge{"monday", {}}).changed);
	sim.mapper.set_state(DmName{"data"}, dm::StatusWord::merge_failed);
	BOOST_TEST((snapshot("monday").health == Health::merge_failed));
	run(MergeControl{"monday", MergeControl::What::resume, {}});
	BOOST_TEST((snapshot("monday").health == Health::merging));
}

BOOST_AUTO_TEST_CASE(merge_of_what_could_not_be_merged_tries_again)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	sim.mapper.set_state(DmName{"data"}, dm::StatusWord::merge_failed);
	refuses(*this, Merge{"monday", Bytes{1 << 20}}, "the rate of a merge that failed cannot be changed");
	BOOST_TEST((snapshot("monday").health == Health::merge_failed));
	BOOST_TEST(run(Merge{"monday", {}}).text == "the merge of monday was started again");
	BOOST_TEST((snapshot("monday").health == Health::merging));
}

BOOST_AUTO_TEST_CASE(merges_that_make_no_sense_are_refused)
{
	add_data();
	run(one("data", "monday"));
	run(one("data", "tuesday"));
	run(one("data", "wednesday"));
	Create create = one("data", "t");
	create.transient = true;
	run(create);
	refuses(*this, Merge{"t", {}}, "a transient snapshot cannot be merged");
	sim.mapper.set_open(DmName{"monday"}, 1);
	refuses(*this, Merge{"monday", {}}, "is in use");
	sim.mapper.set_open(DmName{"monday"}, 0);
	sim.mapper.set_state(DmName{"wednesday"}, dm::StatusWord::invalid);
	refuses(*this, Merge{"wednesday", {}}, "it is lost");
	run(Deactivate{"tuesday"});
	refuses(*this, Merge{"monday", {}}, "tuesday is inactive");
	refuses(*this, Merge{"tuesday", {}}, "it is not active");
	run(Activate{"tuesday"});
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	refuses(*this, Merge{"tuesday", {}}, "monday is being merged into the same origin");
	refuses(*this, Remove{"monday"}, "it is being merged");
	refuses(*this, Extend{"monday", Percent{10}}, "it is being merged");
	refuses(*this, Deactivate{"monday"}, "it is being merged");
	refuses(*this, one("data", "friday"), "monday is being merged");
	refuses(*this, OriginRemove{"data"}, "it has snapshots");
}

BOOST_AUTO_TEST_CASE(kernels_own_module_cannot_pause_a_merge)
{
	sim.mapper.module_is_ours = false;
	add_data();
	run(one("data", "monday"));
	refuses(*this, Merge{"monday", Bytes{1024}}, "cannot limit the rate");
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	refuses(*this, MergeControl{"monday", MergeControl::What::pause, {}}, "cannot pause");
}

// ---- plans -------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(plans_can_be_read_and_change_nothing)
{
	add_data();
	const std::string before = world();
	const std::size_t changes = sim.fuse.count;
	const auto texts = steps(one("data", "monday"));
	BOOST_TEST(sim.fuse.count == changes);
	BOOST_TEST(world() == before);
	BOOST_TEST(texts.size() == 6u);
	BOOST_TEST(texts.front().starts_with("allocate 205M as /var/lib/snapctl/cow/monday-"));
	BOOST_TEST(texts[4].starts_with("load 0 2097152 snapshot 8:16 {space of monday} PO 8"));
	BOOST_TEST(texts.back() == "suspend data, start monday, resume data");
}

BOOST_AUTO_TEST_CASE(plan_that_is_out_of_date_is_made_anew)
{
	add_data();
	const auto first = sim.engine().plan(one("data", "monday"));
	const auto second = sim.engine().plan(one("data", "monday"));
	sim.engine().apply(*first);
	BOOST_CHECK_THROW(sim.engine().apply(*second), Error);
	BOOST_TEST(sim.engine().snapshots().size() == 1u);
}

BOOST_AUTO_TEST_CASE(keys_of_crypt_devices_are_neither_shown_nor_noted)
{
	const DmName secret{"secret"};
	sim.mapper.create(secret, DmUuid{"CRYPT-1"}, dm::Visibility::shown);
	sim.mapper.load(secret, dm::parse_table("0 2048 crypt aes-xts-plain64 00deadbeef00 0 8:32 0"), false);
	sim.mapper.resume(secret, dm::Visibility::shown);
	sim.mapper.set_open(secret, 1);
	const std::string before = sim.mapper.dump();
	for (const std::string& text : steps(OriginAdd{"s", "/dev/mapper/secret"}))
		BOOST_TEST(text.find("deadbeef") == std::string::npos);
	run(OriginAdd{"s", "/dev/mapper/secret"});
	BOOST_TEST(sim.engine().table("s").back() == "snapctl-s-real: 0 2048 crypt aes-xts-plain64 000000000000 0 8:32 0");
	for (const std::string& text : steps(OriginRemove{"s"}))
		BOOST_TEST(text.find("deadbeef") == std::string::npos);
	run(OriginRemove{"s"});
	BOOST_TEST(sim.mapper.dump() == before);
}

BOOST_AUTO_TEST_SUITE_END()
