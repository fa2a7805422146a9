// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every change, failing at every step, and killed before and after every step.
// What counts is what is left: all of the change or nothing of it, no device
// suspended, nothing on disk touched while one was.
#include "engine_fixture.h"

#include <functional>
#include <regex>

using namespace snapctl;
using namespace snapctl::engine;
using snapctl::test::EngineFixture;

namespace {

constexpr std::uint64_t mib = 1 << 20;

struct Scenario {
	const char* name;
	std::function<void(EngineFixture&)> prepare;
	// The change, alone.
	std::function<void(EngineFixture&)> act;
	// A failure does not undo it, but is made good later: finishing a merge.
	bool only_forward = false;
	// Space that was added stays, and that is no harm.
	bool sizes_vary = false;
};

Change create_of(std::vector<Create::Member> members, std::string set, Space space)
{
	Create create;
	create.members = std::move(members);
	create.set = std::move(set);
	create.space = std::move(space);
	return create;
}

std::vector<Scenario> scenarios()
{
	const auto nothing = [](EngineFixture&) {};
	const auto data = [](EngineFixture& f) { f.add_data(); };
	const auto both = [](EngineFixture& f) { f.add_data(); f.add_home(); };
	const auto monday = [](EngineFixture& f) { f.add_data(); f.run(EngineFixture::one("data", "monday")); };
	const auto merging = [](EngineFixture& f) {
		f.add_data();
		f.run(EngineFixture::one("data", "monday"));
		f.sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
		f.run(Merge{"monday", {}});
	};
	const auto change = [](Change wish) { return [wish](EngineFixture& f) { f.run(wish); }; };
	return {
		{"origin add", nothing, change(OriginAdd{"data", "/dev/sda"})},
		{"origin add, taken over", nothing, change(OriginAdd{"home", "/dev/mapper/vg-home"})},
		{"origin remove", data, change(OriginRemove{"data"})},
		{"origin remove, taken over", both, change(OriginRemove{"home"})},
		{"create in a file", data, change(create_of({{"data", "monday"}}, "", {}))},
		{"create in a volume group", data, change(create_of({{"data", "monday"}}, "", {SpaceKind::volume_group, "vg"}))},
		{"create on a device", data, change(create_of({{"data", "monday"}}, "", {SpaceKind::device, "/dev/sdb"}))},
		{"create a set", both, change(create_of({{"data", "d1"}, {"home", "h1"}, {"data", "d2"}}, "night", {}))},
		{"remove", monday, change(Remove{"monday"})},
		{"remove an inactive one", [=](EngineFixture& f) { monday(f); f.run(Deactivate{"monday"}); }, change(Remove{"monday"})},
		{"rename", monday, change(Rename{"monday", "blue"})},
		{"deactivate", monday, change(Deactivate{"monday"})},
		{"activate", [=](EngineFixture& f) { monday(f); f.run(Deactivate{"monday"}); }, change(Activate{"monday"})},
		{"extend after an overflow", [=](EngineFixture& f) {
			 monday(f);
			 f.sim.mapper.set_state(DmName{"monday"}, dm::StatusWord::overflow);
		 }, change(Extend{"monday", Percent{10}}), true, true},
		{"merge", [=](EngineFixture& f) {
			 monday(f);
			 f.sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
		 }, change(Merge{"monday", {}})},
		{"merge of a taken-over origin", [=](EngineFixture& f) {
			 f.add_home();
			 f.run(EngineFixture::one("home", "monday"));
			 f.sim.mapper.set_used(DmName{"monday"}, Bytes{50 * mib});
			 f.sim.mapper.set_open(DmName{"vg-home"}, 0);
		 }, change(Merge{"monday", Bytes{mib}})},
		{"finish a merge", [=](EngineFixture& f) {
			 merging(f);
			 f.sim.mapper.set_used(DmName{"data"}, Bytes{8192});
		 }, [](EngineFixture& f) { f.sim.engine().poll(); }, true},
		{"activate everything", [=](EngineFixture& f) {
			 both(f);
			 f.run(create_of({{"data", "d1"}, {"home", "h1"}}, "night", {}));
			 f.sim.reboot();
			 f.listen();
		 }, [](EngineFixture& f) { (void)f.sim.engine().activate_all(); }, true},
	};
}

// Without what differs between one way there and another, but means nothing:
// which numbers were free, and ids.
std::string plain(const std::string& world, bool sizes_vary = false)
{
	static const std::regex number{"\\b(253|252|7):[0-9]+"}, id{"[0-9a-f]{32}"}, part{"-[0-9a-f]{8}\\b"};
	std::string text = std::regex_replace(world, number, "N:N");
	text = std::regex_replace(text, id, "ID");
	if (sizes_vary) {
		static const std::regex size{"\\.cow [0-9]+|low_water_mark [0-9]+"};
		text = std::regex_replace(text, size, "SIZE");
	}
	return std::regex_replace(text, part, "-ID");
}

enum class Mode { fail, kill_before, kill_after };

// True: the step was reached.
bool round_trip(const Scenario& scenario, Mode mode, std::size_t step, const std::string& before, const std::string& after)
{
	const std::string label = std::string{scenario.name} + ", " +
				  (mode == Mode::fail ? "failing at " : mode == Mode::kill_before ? "killed before " : "killed after ") +
				  std::to_string(step);
	EngineFixture f;
	scenario.prepare(f);
	f.sim.fuse.log.clear();
	const std::size_t at = f.sim.fuse.count + step;
	(mode == Mode::fail ? f.sim.fuse.fail_at : mode == Mode::kill_before ? f.sim.fuse.kill_before : f.sim.fuse.kill_after) = at;
	bool failed = false, killed = false, later = false;
	try {
		scenario.act(f);
	} catch (const Error&) {
		failed = true;
	} catch (const Killed&) {
		killed = true;
	}
	if (f.sim.fuse.count <= at)
		return false;
	const std::string where = label + " (" + f.sim.fuse.log.at(step) + ")";
	BOOST_TEST(killed == (mode != Mode::fail), where);

	if (mode == Mode::fail) {
		if (f.sim.fuse.log.at(step).starts_with("remove ") && f.sim.mapper.anything_suspended()) {
			// A device whose store was merged away, and that nobody can use: removed a little later.
			BOOST_TEST(failed, where);
			f.sim.host.advance(std::chrono::seconds{30});
			f.sim.engine().poll();
			later = true;
		}
		BOOST_TEST(!f.sim.mapper.anything_suspended(), where + ": a device is suspended");
		BOOST_TEST(f.sim.host.violations().empty(), where + ": touched the disk while a device was suspended");
		const std::string world = plain(f.world(), scenario.sizes_vary);
		if (world != before && world != after && !scenario.only_forward) {
			// Past the point of return: the next start finishes it.
			BOOST_TEST(failed, where);
			f.sim.restart();
			f.listen();
			BOOST_TEST(plain(f.world(), scenario.sizes_vary) == after, where + ": neither undone nor finished:\n" + plain(f.world(), scenario.sizes_vary));
		}
		if (!failed && !scenario.only_forward)
			BOOST_TEST(world == after, where + ": says it is done:\n" + world);
		if (failed && !later && world == after)
			BOOST_ERROR(where + ": says it failed, but it is done");
	}
	if (mode != Mode::fail || scenario.only_forward) {
		f.sim.restart();
		f.listen();
		BOOST_TEST(!f.sim.mapper.anything_suspended(), where + ": a device is still suspended");
		BOOST_TEST(f.sim.host.violations().empty(), where + ": touched the disk while a device was suspended");
		std::string world = plain(f.world(), scenario.sizes_vary);
		if (world != before && world != after && scenario.only_forward) {
			f.sim.host.advance(std::chrono::seconds{30});
			scenario.act(f);
			world = plain(f.world(), scenario.sizes_vary);
		}
		BOOST_TEST((world == before || world == after), where + ": half-made after a new start:\n" + world + "before was:\n" + before +
				"after was:\n" + after);
	}
	// And it can be done once more.
	if (plain(f.world(), scenario.sizes_vary) == before) {
		try {
			f.sim.host.advance(std::chrono::seconds{30});
			scenario.act(f);
		} catch (const Error& error) {
			BOOST_ERROR(where + ": cannot be tried again: " + error.what());
		}
		BOOST_TEST(plain(f.world(), scenario.sizes_vary) == after, where + ": the second try differs:\n" + plain(f.world(), scenario.sizes_vary));
	}
	return true;
}

// The machine is restarted where the daemon would be killed. Afterwards there is what a restart
// leaves of the one or of the other; of a merge that may have begun, only of the other.
bool reboot_trip(const Scenario& scenario, std::size_t step, const std::string& before, const std::string& after)
{
	EngineFixture f;
	scenario.prepare(f);
	f.sim.fuse.log.clear();
	const std::size_t at = f.sim.fuse.count + step;
	f.sim.fuse.kill_after = at;
	try {
		scenario.act(f);
	} catch (const Killed&) {
	}
	if (f.sim.fuse.count <= at)
		return false;
	const std::string where = std::string{scenario.name} + ", restarted after " + std::to_string(step) + " (" + f.sim.fuse.log.at(step) + ")";
	f.sim.reboot();
	(void)f.sim.engine().activate_all();
	const std::string world = plain(f.world(), scenario.sizes_vary);
	BOOST_TEST((world == before || world == after), where + ": half-made:\n" + world + "before was:\n" + before + "after was:\n" + after);
	// Nothing is left to be done that could do harm later.
	for (const Finding& finding : f.sim.engine().doctor())
		BOOST_TEST(finding.what.find("not finished") == std::string::npos, where + ": " + finding.what);
	f.sim.restart();
	BOOST_TEST(plain(f.world(), scenario.sizes_vary) == world, where + ": changes with another start:\n" + plain(f.world(), scenario.sizes_vary));
	f.check_sound();
	return true;
}

std::string rebooted_world(const Scenario& scenario, bool acted)
{
	EngineFixture f;
	scenario.prepare(f);
	if (acted)
		scenario.act(f);
	f.sim.reboot();
	(void)f.sim.engine().activate_all();
	return plain(f.world(), scenario.sizes_vary);
}

void try_all(Mode mode)
{
	std::size_t rounds = 0;
	for (const Scenario& scenario : scenarios()) {
		std::string before, after;
		{
			EngineFixture f;
			scenario.prepare(f);
			before = plain(f.world(), scenario.sizes_vary);
			scenario.act(f);
			after = plain(f.world(), scenario.sizes_vary);
			BOOST_TEST(before != after, scenario.name);
			f.check_sound();
		}
		std::size_t step = 0;
		while (round_trip(scenario, mode, step, before, after))
			step++;
		BOOST_TEST(step >= 2u, scenario.name);
		rounds += step;
	}
	BOOST_TEST_MESSAGE(rounds << " rounds");
}

} // namespace

BOOST_AUTO_TEST_SUITE(undo)

BOOST_AUTO_TEST_CASE(change_that_fails_at_any_step_leaves_nothing_behind) { try_all(Mode::fail); }
BOOST_AUTO_TEST_CASE(daemon_killed_before_any_step_finds_its_way) { try_all(Mode::kill_before); }
BOOST_AUTO_TEST_CASE(daemon_killed_after_any_step_finds_its_way) { try_all(Mode::kill_after); }

BOOST_AUTO_TEST_CASE(machine_restarted_after_any_step_finds_its_way)
{
	for (const Scenario& scenario : scenarios()) {
		const std::string before = rebooted_world(scenario, false), after = rebooted_world(scenario, true);
		std::size_t step = 0;
		while (reboot_trip(scenario, step, before, after))
			step++;
		BOOST_TEST(step >= 2u, scenario.name);
	}
}

BOOST_AUTO_TEST_CASE(daemon_killed_again_while_it_recovers_finds_its_way_too)
{
	for (std::size_t first = 0; first < 40; first++) {
		for (std::size_t second = 0; second < 12; second++) {
			EngineFixture f;
			f.add_data();
			f.add_home();
			const std::string before = plain(f.world());
			f.sim.fuse.kill_after = f.sim.fuse.count + first;
			try {
				f.run(create_of({{"data", "d1"}, {"home", "h1"}}, "night", {}));
				BOOST_TEST(first > 10u);
				return; // all steps were tried
			} catch (const Killed&) {
			}
			f.sim.fuse.reset();
			f.sim.fuse.kill_after = second;
			bool again = false;
			try {
				f.sim.start();
			} catch (const Killed&) {
				again = true;
			}
			f.sim.restart();
			// Either there was nothing left to do, or nothing is left of it.
			if (f.sim.engine().snapshots().size() != 2)
				BOOST_TEST(plain(f.world()) == before, "killed after " << first << ", and again after " << second);
			f.check_sound();
			if (!again)
				break;
		}
	}
}

BOOST_AUTO_TEST_SUITE_END()
