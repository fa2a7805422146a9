// SPDX-License-Identifier: GPL-2.0-or-later
//
// Calls the engine's poll() when one of its descriptors has something, and when
// its time has come.
#pragma once

#include <memory>

#include "engine/engine.h"

namespace boost::asio {
class io_context;
}

namespace snapctl::daemon {

class EngineLoop {
public:
	EngineLoop(boost::asio::io_context& io, engine::Engine& engine);
	~EngineLoop();

	// After anything else than this has used the engine: what it waits for may
	// have changed.
	void rearm();

	struct State;

private:
	std::shared_ptr<State> state_;
};

} // namespace snapctl::daemon
