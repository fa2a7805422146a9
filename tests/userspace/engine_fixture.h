// SPDX-License-Identifier: GPL-2.0-or-later
//
// The engine over a simulated machine, with what tests of it say often.
#pragma once

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "engine/simulation.h"

namespace snapctl::test {

using namespace snapctl::engine;

struct EngineFixture {
	Simulation sim;
	std::vector<Event> events;

	EngineFixture() { listen(); }
	explicit EngineFixture(Config config) : sim{std::move(config)} { listen(); }

	void listen()
	{
		sim.engine().on_event([this](const Event& event) { events.push_back(event); });
	}
	Outcome run(const Change& change)
	{
		const auto plan = sim.engine().plan(change);
		return sim.engine().apply(*plan);
	}
	[[nodiscard]] std::vector<std::string> steps(const Change& change)
	{
		std::vector<std::string> texts;
		const auto plan = sim.engine().plan(change);
		for (const Step& step : plan->steps())
			texts.push_back(step.text);
		return texts;
	}
	void add_data() { run(OriginAdd{"data", "/dev/sda"}); }
	void add_home() { run(OriginAdd{"home", "/dev/mapper/vg-home"}); }
	[[nodiscard]] static Create one(const std::string& origin, const std::string& snapshot)
	{
		Create create;
		create.members = {{origin, snapshot}};
		return create;
	}
	[[nodiscard]] SnapshotState snapshot(const std::string& name)
	{
		for (SnapshotState& state : sim.engine().snapshots())
			if (state.name == name)
				return state;
		throw std::runtime_error{"no snapshot " + name};
	}
	[[nodiscard]] OriginState origin(const std::string& name)
	{
		for (OriginState& state : sim.engine().origins())
			if (state.name == name)
				return state;
		throw std::runtime_error{"no origin " + name};
	}
	[[nodiscard]] std::size_t told(EventKind kind) const
	{
		return static_cast<std::size_t>(std::count_if(events.begin(), events.end(), [&](const Event& event) { return event.kind == kind; }));
	}
	// Everything that there is: devices, files, and what the registry says.
	[[nodiscard]] std::string world()
	{
		std::string text = sim.mapper.dump() + sim.host.dump();
		for (const OriginState& origin : sim.engine().origins())
			text += "origin " + origin.name + " " + origin.major_minor + "\n";
		for (const SnapshotState& state : sim.engine().snapshots())
			text += "snapshot " + state.name + " " + std::to_string(static_cast<int>(state.health)) +
				(state.merge ? " merging" : "") + "\n";
		return text;
	}
	void check_sound()
	{
		BOOST_TEST(!sim.mapper.anything_suspended());
		BOOST_TEST(sim.host.violations().empty());
	}
};

// The reason of a refusal contains the text, and nothing changed.
inline void refuses(EngineFixture& fixture, const Change& change, const std::string& text)
{
	const std::string before = fixture.world();
	const std::size_t changes = fixture.sim.fuse.count;
	try {
		fixture.run(change);
		BOOST_ERROR("it was not refused: " + text);
	} catch (const Error& error) {
		BOOST_TEST(std::string{error.what()}.find(text) != std::string::npos, error.what() << " does not say: " << text);
	}
	BOOST_TEST(fixture.sim.fuse.count == changes, "a refusal changed something");
	BOOST_TEST(fixture.world() == before);
}

} // namespace snapctl::test
