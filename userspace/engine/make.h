// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where engines come from. engine/simulation.h has the simulated one.
#pragma once

#include <memory>

#include "base/config.h"
#include "engine/engine.h"

namespace snapctl::dm {
class Mapper;
}
namespace snapctl::genl {
class EventSource;
}

namespace snapctl::engine {

class Host;

// Opens (or makes) the registry in config.state_directory, and finishes or
// undoes what a daemon that was killed left there. The parts must outlive the
// engine. `events` may be null: then device-mapper's events and the statuses
// have to do. A state_directory of ":memory:" keeps nothing.
[[nodiscard]] std::unique_ptr<Engine> make_engine(const Config& config, dm::Mapper& mapper, Host& host,
						  genl::EventSource* events);

// The same over the kernel and this machine, parts included: what the daemon runs.
[[nodiscard]] std::unique_ptr<Engine> make_system_engine(const Config& config);

} // namespace snapctl::engine
