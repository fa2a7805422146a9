// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the engine does without being asked: it extends, tells, finishes, and
// brings everything up again after a reboot.
#include "engine_fixture.h"

#include <poll.h>

using namespace snapctl;
using namespace snapctl::engine;
using snapctl::test::EngineFixture;
using snapctl::test::refuses;

namespace {

constexpr std::uint64_t mib = 1 << 20;

struct WatchFixture : EngineFixture {
	WatchFixture()
	{
		add_data();
		Create create = one("data", "monday");
		create.size = Bytes{100 * mib};
		run(create);
		sim.engine().poll();
		events.clear();
	}
	[[nodiscard]] std::uint64_t total() { return snapshot("monday").usage->total.count / mib; }
	void kernel_says(genl::Kind kind, std::uint64_t allocated, std::uint64_t rate = 0)
	{
		genl::KernelEvent event;
		event.kind = kind;
		event.report.name = snapshot("monday").merge ? "data" : "monday";
		event.report.flags.merge = snapshot("monday").merge.has_value();
		event.report.uuid = uuid();
		event.report.allocated = to_sectors(Bytes{allocated * mib});
		event.report.total = to_sectors(Bytes{total() * mib});
		event.report.fill_rate = Bytes{rate};
		sim.events.send(event);
	}
	[[nodiscard]] std::string uuid() { return sim.mapper.info(DmName{"monday"})->uuid.str(); }
	[[nodiscard]] bool readable()
	{
		std::vector<pollfd> fds;
		for (const int fd : sim.engine().descriptors())
			fds.push_back({fd, POLLIN, 0});
		return ::poll(fds.data(), fds.size(), 0) > 0;
	}
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(watching, WatchFixture)

BOOST_AUTO_TEST_CASE(low_water_event_of_the_kernel_extends_at_once)
{
	BOOST_TEST(!readable());
	sim.mapper.set_used(DmName{"monday"}, Bytes{81 * mib});
	kernel_says(genl::Kind::low_water, 81);
	BOOST_TEST(readable());
	sim.engine().poll();
	BOOST_TEST(!readable());
	BOOST_TEST(total() == 150u);
	BOOST_TEST(told(EventKind::extended) == 1u);
	BOOST_TEST(told(EventKind::low_water) == 1u);
	// The kernel's mark moves along.
	BOOST_TEST(sim.mapper.messages().back() == "monday: low_water_mark 61440");
	check_sound();
}

BOOST_AUTO_TEST_CASE(fast_writers_get_larger_steps)
{
	kernel_says(genl::Kind::low_water, 81, 40 * mib);
	sim.engine().poll();
	BOOST_TEST(total() == 500u);
}

BOOST_AUTO_TEST_CASE(extending_writes_nothing_to_the_journal)
{
	kernel_says(genl::Kind::low_water, 81);
	const std::size_t before = sim.fuse.log.size();
	sim.engine().poll();
	std::vector<std::string> changes(sim.fuse.log.begin() + static_cast<long>(before), sim.fuse.log.end());
	BOOST_REQUIRE(changes.size() >= 2u);
	BOOST_TEST(changes[0].starts_with("grow file"));
	BOOST_TEST(changes[1].starts_with("resize loop"));
}

BOOST_AUTO_TEST_CASE(extension_that_a_kill_cut_short_is_completed)
{
	kernel_says(genl::Kind::low_water, 81);
	sim.fuse.kill_after = sim.fuse.count; // the file has grown, the loop device has not
	BOOST_CHECK_THROW(sim.engine().poll(), Killed);
	sim.restart();
	BOOST_TEST(total() == 100u);
	sim.mapper.set_used(DmName{"monday"}, Bytes{81 * mib});
	sim.engine().poll();
	BOOST_TEST(total() == 150u);
	check_sound();
}

BOOST_AUTO_TEST_CASE(waiting_snapshot_is_extended_and_told_of)
{
	sim.host.add_mount("/", "/dev/sde", Bytes{100 * mib});
	kernel_says(genl::Kind::no_space, 100);
	sim.engine().poll();
	BOOST_TEST(told(EventKind::waiting) == 1u);
	BOOST_TEST(told(EventKind::extend_failed) == 1u);
	BOOST_TEST((snapshot("monday").health == Health::waiting));
	// Room is made; the next attempt comes with patience.
	sim.host.add_mount("/", "/dev/sde", Bytes{900 * mib});
	sim.mapper.set_used(DmName{"monday"}, Bytes{100 * mib});
	sim.engine().poll();
	BOOST_TEST(total() == 100u);
	BOOST_REQUIRE(sim.engine().next_poll());
	BOOST_TEST((*sim.engine().next_poll() <= std::chrono::seconds{10}));
	sim.host.advance(std::chrono::seconds{11});
	sim.engine().poll();
	BOOST_TEST(total() == 150u);
	kernel_says(genl::Kind::space_found, 100);
	sim.engine().poll();
	BOOST_TEST(told(EventKind::space_found) == 1u);
	BOOST_TEST((snapshot("monday").health == Health::active));
}

BOOST_AUTO_TEST_CASE(lost_events_are_made_up_for_by_asking)
{
	genl::KernelCounters counters;
	counters.report.uuid = uuid();
	counters.report.flags.no_space = true;
	counters.values = {{"exceptions", 5}};
	sim.events.counters = {counters};
	sim.events.lose_some();
	sim.engine().poll();
	BOOST_TEST((snapshot("monday").health == Health::waiting));
	const auto told_counters = sim.engine().counters();
	BOOST_REQUIRE(told_counters.size() == 1u);
	BOOST_TEST(told_counters[0].snapshot == "monday");
	BOOST_TEST(told_counters[0].values[0].second == 5u);
}

BOOST_AUTO_TEST_CASE(every_change_of_state_is_told_once)
{
	sim.mapper.set_state(DmName{"monday"}, dm::StatusWord::invalid);
	kernel_says(genl::Kind::invalid, 0);
	sim.engine().poll();
	sim.engine().poll();
	sim.host.advance(std::chrono::seconds{60});
	sim.engine().poll();
	BOOST_TEST(told(EventKind::invalid) == 1u);
	BOOST_TEST((snapshot("monday").health == Health::invalid));
	run(Remove{"monday"});
	check_sound();
}

BOOST_AUTO_TEST_CASE(overflowed_snapshot_is_extended_and_writable_again)
{
	sim.mapper.set_state(DmName{"monday"}, dm::StatusWord::overflow);
	sim.engine().poll();
	BOOST_TEST(told(EventKind::overflow) == 1u);
	BOOST_TEST(told(EventKind::extended) == 1u);
	BOOST_TEST((snapshot("monday").health == Health::active));
	BOOST_TEST(total() == 150u);
	check_sound();
}

BOOST_AUTO_TEST_CASE(events_of_strangers_are_passed_over)
{
	genl::KernelEvent event;
	event.kind = genl::Kind::low_water;
	event.report.uuid = "LVM-abc";
	event.report.name = "monday";
	sim.events.send(event);
	sim.engine().poll();
	BOOST_TEST(events.empty());
}

BOOST_AUTO_TEST_CASE(failed_merge_is_told_and_kept)
{
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	sim.mapper.set_state(DmName{"data"}, dm::StatusWord::merge_failed);
	sim.engine().poll();
	sim.host.advance(std::chrono::seconds{60});
	sim.engine().poll();
	BOOST_TEST(told(EventKind::merge_failed) == 1u);
	BOOST_TEST(told(EventKind::merge_done) == 0u);
	BOOST_TEST((snapshot("monday").health == Health::merge_failed));
}

BOOST_AUTO_TEST_CASE(merge_is_finished_by_the_next_daemon_when_none_was_there)
{
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	sim.mapper.set_used(DmName{"data"}, Bytes{8192});
	sim.restart();
	listen();
	sim.engine().poll();
	BOOST_TEST(told(EventKind::merge_done) == 1u);
	BOOST_TEST(sim.engine().snapshots().empty());
	BOOST_TEST(sim.engine().table("data").at(0) == "data: 0 2097152 snapshot-origin 8:16");
	check_sound();
}

BOOST_AUTO_TEST_CASE(next_look_is_sooner_while_something_is_under_way)
{
	BOOST_TEST((sim.engine().next_poll().value() > std::chrono::seconds{20}));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	sim.engine().poll();
	BOOST_TEST((sim.engine().next_poll().value() <= std::chrono::seconds{1}));
}

BOOST_AUTO_TEST_SUITE_END()

// ---- without the module's events -----------------------------------------------------------

BOOST_AUTO_TEST_SUITE(watching_the_kernels_own_module)

BOOST_AUTO_TEST_CASE(usage_is_looked_at_often_and_extended_by_its_rate)
{
	EngineFixture f;
	f.sim.mapper.module_is_ours = false;
	Config config = Simulation::simulated_config();
	config.state_directory = ":memory:";
	const auto engine = make_engine(config, f.sim.mapper, f.sim.host, nullptr);
	std::vector<Event> events;
	engine->on_event([&](const Event& event) { events.push_back(event); });
	const auto run = [&](const Change& change) { const auto plan = engine->plan(change); return engine->apply(*plan); };
	run(OriginAdd{"data", "/dev/sda"});
	Create create = EngineFixture::one("data", "monday");
	create.size = Bytes{100 * mib};
	run(create);
	engine->poll();
	BOOST_TEST((engine->next_poll().value() <= std::chrono::milliseconds{250}));
	f.sim.mapper.set_used(DmName{"monday"}, Bytes{90 * mib});
	f.sim.host.advance(std::chrono::seconds{1});
	engine->poll();
	// 90 MiB in a second: ten seconds' worth.
	BOOST_TEST(engine->snapshots().at(0).usage->total.count >= 980 * mib);
	BOOST_TEST(engine->snapshots().at(0).usage->total.count <= 1029 * mib);
	const auto count = [&](EventKind kind) { return std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.kind == kind; }); };
	BOOST_TEST(count(EventKind::extended) == 1);
	BOOST_TEST(f.sim.mapper.messages().empty());
}

BOOST_AUTO_TEST_SUITE_END()

// ---- after a reboot ------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(rebooting, EngineFixture)

namespace {

bool has_problem(const std::vector<Finding>& findings, const std::string& text)
{
	return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) {
		return f.level == Finding::Level::problem && f.what.find(text) != std::string::npos;
	});
}

} // namespace

BOOST_AUTO_TEST_CASE(everything_comes_back)
{
	add_data();
	add_home();
	Create create;
	create.members = {{"data", "d1"}, {"home", "h1"}};
	create.set = "night";
	run(create);
	create = one("data", "v1");
	create.space = {SpaceKind::volume_group, "vg"};
	run(create);
	sim.reboot();
	listen();
	BOOST_TEST((snapshot("d1").health == Health::inactive));
	const std::string down = world();
	const std::size_t changes = sim.fuse.count;
	BOOST_TEST(sim.engine().plan_activate_all().steps.size() > 6u);
	BOOST_TEST(world() == down);
	BOOST_TEST(sim.fuse.count == changes, "planning changed something");
	for (const Finding& finding : sim.engine().activate_all())
		BOOST_TEST((finding.level == Finding::Level::good), finding.what);
	for (const char* name : {"d1", "h1", "v1"})
		BOOST_TEST((snapshot(name).health == Health::active), name);
	BOOST_TEST(!origin("data").major_minor.empty());
	BOOST_TEST(sim.engine().table("home").size() == 2u);
	BOOST_TEST(told(EventKind::activated) == 3u);
	check_sound();
	// Once more changes nothing.
	const std::string before = world();
	(void)sim.engine().activate_all();
	BOOST_TEST(world() == before);
	BOOST_TEST(sim.engine().plan_activate_all().steps.empty());
}

BOOST_AUTO_TEST_CASE(merge_goes_on_after_a_reboot)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", Bytes{mib}});
	run(MergeControl{"monday", MergeControl::What::pause, {}});
	sim.reboot();
	(void)sim.engine().activate_all();
	BOOST_TEST((snapshot("monday").health == Health::merging));
	BOOST_TEST(snapshot("monday").merge->left.count == 50 * mib - 8192);
	BOOST_TEST(dm::format_table(sim.mapper.table(DmName{"data"})).find(" 3 merge_rate 1024 merge_paused\n") != std::string::npos);
	check_sound();
}

BOOST_AUTO_TEST_CASE(origin_stays_read_only_until_the_space_of_all_its_snapshots_is_there)
{
	add_data();
	Create create = one("data", "d");
	create.space = {SpaceKind::device, "/dev/sdb"};
	run(create);
	run(one("data", "f"));
	sim.reboot();
	sim.host.set_content("/dev/sdb", "ext4");
	BOOST_TEST(has_problem(sim.engine().plan_activate_all().findings, "the snapshot d cannot come up"));
	const auto findings = sim.engine().activate_all();
	BOOST_TEST(has_problem(findings, "the snapshot d cannot come up, and keeps data read-only: /dev/sdb holds ext4 instead of its store"));
	BOOST_TEST((snapshot("d").health == Health::inactive));
	BOOST_TEST((snapshot("f").health == Health::active));
	BOOST_TEST(sim.mapper.info(DmName{"data"})->read_only);

	// The right disk is there.
	sim.host.forget_content("/dev/sdb");
	BOOST_TEST(!has_problem(sim.engine().activate_all(), ""));
	BOOST_TEST((snapshot("d").health == Health::active));
	BOOST_TEST(!sim.mapper.info(DmName{"data"})->read_only);
	check_sound();

	// Or it never comes back.
	sim.reboot();
	sim.host.set_content("/dev/sdb", "");
	BOOST_TEST(has_problem(sim.engine().activate_all(), "/dev/sdb holds nothing instead of its store"));
	BOOST_TEST(sim.mapper.info(DmName{"data"})->read_only);
	run(Remove{"d"});
	BOOST_TEST(!sim.mapper.info(DmName{"data"})->read_only);
	check_sound();
}

BOOST_AUTO_TEST_CASE(store_that_is_marked_invalid_is_lost_after_a_reboot)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_state(DmName{"monday"}, dm::StatusWord::invalid);
	sim.reboot();
	BOOST_TEST(has_problem(sim.engine().activate_all(), "the snapshot monday is lost: it was full"));
	BOOST_TEST((snapshot("monday").health == Health::invalid));
	BOOST_TEST(!sim.mapper.info(DmName{"data"})->read_only);
	refuses(*this, Activate{"monday"}, "it is lost");
	run(Remove{"monday"});
}

BOOST_AUTO_TEST_CASE(origin_stays_down_while_half_of_its_merge_is_missing)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
	run(Merge{"monday", {}});
	refuses(*this, Remove{"monday"}, "it is being merged");
	sim.reboot();
	const std::string file = snapshot("monday").cow_device;
	sim.host.set_content(file, "");
	BOOST_TEST(has_problem(sim.engine().activate_all(), "it is half merged with monday"));
	BOOST_TEST(origin("data").major_minor.empty());
	sim.host.forget_content(file);
	refuses(*this, Remove{"monday"}, "it is being merged");
	BOOST_TEST(!has_problem(sim.engine().activate_all(), ""));
	BOOST_TEST((snapshot("monday").health == Health::merging));

	sim.reboot();
	sim.host.set_content(file, "");
	BOOST_TEST(run(Remove{"monday"}).text.find("data was left half merged") != std::string::npos);
	BOOST_TEST(!has_problem(sim.engine().activate_all(), ""));
	BOOST_TEST(!origin("data").major_minor.empty());
}

BOOST_AUTO_TEST_CASE(snapshot_of_a_volume_that_was_mounted_before_it_came_up_is_lost)
{
	add_home();
	run(one("home", "monday"));
	sim.reboot();
	sim.host.add_mount("/home", "/dev/mapper/vg-home", Bytes{mib});
	BOOST_TEST(has_problem(sim.engine().activate_all(), "the snapshot monday is lost: the origin was written without it"));
	BOOST_TEST((snapshot("monday").health == Health::invalid));
	BOOST_TEST(!origin("home").major_minor.empty());
}

BOOST_AUTO_TEST_CASE(snapshots_of_a_volume_whose_table_lvm_put_back_are_lost_for_good)
{
	add_home();
	const dm::Table lvms = sim.mapper.table(DmName{"snapctl-home-real"});
	run(one("home", "monday"));
	run(one("home", "tuesday"));
	sim.engine().poll();
	BOOST_TEST((snapshot("monday").health == Health::active));
	const DmName home{"vg-home"};
	sim.mapper.suspend(home, {});
	sim.mapper.load(home, lvms, false);
	sim.mapper.resume(home, dm::Visibility::shown);
	BOOST_TEST((snapshot("monday").health == Health::invalid));
	BOOST_TEST((snapshot("tuesday").health == Health::invalid));
	sim.engine().poll();
	BOOST_TEST(told(EventKind::invalid) == 2u);
	// Also after a restart, which puts everything where it belongs.
	sim.reboot();
	(void)sim.engine().activate_all();
	BOOST_TEST((snapshot("monday").health == Health::invalid));
	BOOST_TEST(!origin("home").major_minor.empty());
	run(Remove{"monday"});
	run(Remove{"tuesday"});
	check_sound();
}

BOOST_AUTO_TEST_CASE(inactive_snapshot_of_a_volume_whose_table_lvm_put_back_is_lost)
{
	add_home();
	const dm::Table lvms = sim.mapper.table(DmName{"snapctl-home-real"});
	const DmName home{"vg-home"};
	sim.mapper.set_open(home, 0);
	run(one("home", "monday"));
	run(Deactivate{"monday"});
	BOOST_TEST((snapshot("monday").health == Health::inactive));
	sim.mapper.suspend(home, {});
	sim.mapper.load(home, lvms, false);
	sim.mapper.resume(home, dm::Visibility::shown);
	BOOST_TEST((snapshot("monday").health == Health::invalid));
	refuses(*this, Merge{"monday", {}}, "it is lost");
}

BOOST_AUTO_TEST_CASE(table_that_lets_nothing_through_costs_no_snapshot)
{
	add_data();
	run(one("data", "monday"));
	const DmName data{"data"};
	const std::uint64_t sectors = origin("data").size.count / 512;
	sim.mapper.suspend(data, {});
	sim.mapper.load(data, dm::parse_table("0 " + std::to_string(sectors) + " error"), false);
	sim.mapper.resume(data, dm::Visibility::shown);
	sim.engine().poll();
	BOOST_TEST((snapshot("monday").health == Health::active));
}

BOOST_AUTO_TEST_CASE(what_missed_writes_can_be_removed_and_the_volume_given_back)
{
	add_home();
	const dm::Table lvms = sim.mapper.table(DmName{"snapctl-home-real"});
	run(one("home", "monday"));
	const DmName home{"vg-home"};
	sim.mapper.suspend(home, {});
	sim.mapper.load(home, lvms, false);
	sim.mapper.resume(home, dm::Visibility::shown);
	run(Remove{"monday"});
	run(OriginRemove{"home"});
	BOOST_TEST(sim.mapper.table(home) == lvms);
	BOOST_TEST(!sim.mapper.info(DmName{"snapctl-home-real"}));
	check_sound();
}

BOOST_AUTO_TEST_CASE(transient_snapshot_is_lost_with_a_reboot)
{
	add_data();
	Create create = one("data", "t");
	create.transient = true;
	run(create);
	sim.reboot();
	(void)sim.engine().activate_all();
	BOOST_TEST((snapshot("t").health == Health::invalid));
	run(Remove{"t"});
	BOOST_TEST(sim.host.dump().find("file") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(origin_whose_size_has_changed_stays_down)
{
	add_data();
	run(one("data", "monday"));
	sim.reboot();
	sim.host.grow_disk("/dev/sda", Bytes{2048 * mib});
	const auto findings = sim.engine().activate_all();
	BOOST_REQUIRE(findings.size() == 1u);
	BOOST_TEST(findings[0].what.find("has changed") != std::string::npos);
	BOOST_TEST(origin("data").major_minor.empty());
	const auto told_by_doctor = sim.engine().doctor();
	BOOST_TEST(std::any_of(told_by_doctor.begin(), told_by_doctor.end(), [](const Finding& f) { return f.what.find("the origin data is not active") == 0; }));
}

BOOST_AUTO_TEST_CASE(origin_with_an_inactive_snapshot_comes_up_read_only)
{
	add_data();
	run(one("data", "monday"));
	run(Deactivate{"monday"});
	sim.reboot();
	(void)sim.engine().activate_all();
	BOOST_TEST(sim.mapper.info(DmName{"data"})->read_only);
	run(Activate{"monday"});
	BOOST_TEST(!sim.mapper.info(DmName{"data"})->read_only);
	BOOST_TEST((snapshot("monday").health == Health::active));
}

BOOST_AUTO_TEST_SUITE_END()

// ---- doctor ----------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(doctor, EngineFixture)

namespace {

bool says(EngineFixture& f, Finding::Level level, const std::string& text)
{
	const auto findings = f.sim.engine().doctor();
	return std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
		return finding.level == level && finding.what.find(text) != std::string::npos;
	});
}

} // namespace

BOOST_AUTO_TEST_CASE(healthy_machine_has_no_problem)
{
	add_data();
	run(one("data", "monday"));
	for (const Finding& finding : sim.engine().doctor())
		BOOST_TEST((finding.level == Finding::Level::good), finding.what);
}

BOOST_AUTO_TEST_CASE(what_the_kernel_lacks_is_found)
{
	BOOST_TEST(says(*this, Finding::Level::good, "the kernel 6.12.0 has all"));
	sim.host.kernel = {"6.12.0", false, false};
	BOOST_TEST(says(*this, Finding::Level::problem, "no device-mapper"));
	BOOST_TEST(says(*this, Finding::Level::hint, "no loop devices"));
	sim.host.kernel = {"6.11.0", true, true};
	BOOST_TEST(says(*this, Finding::Level::hint, "not tested on the kernel 6.11.0"));
	BOOST_TEST(!says(*this, Finding::Level::good, "has all"));
}

BOOST_AUTO_TEST_CASE(module_is_told_apart)
{
	sim.host.facts = {true, true, false, true, "", "/lib/modules/x.ko", false};
	BOOST_TEST(says(*this, Finding::Level::hint, "the kernel's own dm-snapshot is loaded"));
	BOOST_TEST(says(*this, Finding::Level::hint, "another dm-snapshot than the one that is loaded"));
	BOOST_TEST(says(*this, Finding::Level::hint, "is not signed"));
	sim.host.facts = {};
	BOOST_TEST(says(*this, Finding::Level::problem, "there is no dm-snapshot module"));
}

BOOST_AUTO_TEST_CASE(suspended_and_forgotten_devices_are_found)
{
	add_data();
	sim.mapper.suspend(DmName{"data"}, {});
	BOOST_TEST(says(*this, Finding::Level::problem, "the device data is suspended"));
	sim.mapper.create(DmName{"stray"}, DmUuid{"SNAPCTL-snap-1"}, dm::Visibility::shown);
	BOOST_TEST(says(*this, Finding::Level::problem, "the device stray was made by snapctl"));
}

BOOST_AUTO_TEST_CASE(snapshots_that_are_about_to_fill_are_found)
{
	add_data();
	run(one("data", "monday"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{195 * mib});
	BOOST_TEST(says(*this, Finding::Level::problem, "the snapshot monday is 95% full"));
	sim.mapper.set_used(DmName{"monday"}, Bytes{170 * mib});
	BOOST_TEST(says(*this, Finding::Level::hint, "the snapshot monday is 82% full"));
	sim.mapper.set_state(DmName{"monday"}, dm::StatusWord::invalid);
	BOOST_TEST(says(*this, Finding::Level::problem, "the snapshot monday is lost"));
}

BOOST_AUTO_TEST_CASE(other_program_of_the_name_is_told_of)
{
	sim.host.other_snapctl_path = "/usr/bin/snapctl";
	BOOST_TEST(says(*this, Finding::Level::hint, "/usr/bin/snapctl is another program"));
}

BOOST_AUTO_TEST_SUITE_END()
