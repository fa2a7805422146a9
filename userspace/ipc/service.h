// SPDX-License-Identifier: GPL-2.0-or-later
//
// From a request to its answer: no sockets, no clocks. docs/ipc.md is the
// specification.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "ipc/access.h"

namespace snapctl::ipc {

struct Identity {
	std::string version; // of snapctl
	std::string engine;  // "device-mapper" or "simulated"
};

struct Answer {
	std::string message;
	bool hang_up = false; // nothing that follows can be trusted
	// A watcher: from now on it is sent events under this id.
	bool streams = false;
	std::uint64_t id = 0;
};

class Service {
public:
	Service(engine::Engine& engine, Access access, Identity identity);

	// Never throws; what goes wrong becomes the answer.
	[[nodiscard]] Answer handle(std::string_view message, const Peer& peer) noexcept;

	// What a watcher is sent.
	[[nodiscard]] static std::string event_message(std::uint64_t id, const engine::Event& event);

	// Answers that need no request: code and text of docs/ipc.md.
	[[nodiscard]] static std::string error_message(std::string_view code, std::string_view text);

	[[nodiscard]] const Access& access() const noexcept { return access_; }

private:
	struct Request;
	struct Method;
	static const Method methods_[];

	Answer answer(std::string_view message, const Peer& peer);

	engine::Engine& engine_;
	Access access_;
	Identity identity_;
};

} // namespace snapctl::ipc
