// SPDX-License-Identifier: GPL-2.0-or-later
//
// The other end of the control socket, for programs that wait for their answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/engine.h"

namespace snapctl::ipc {

// Nobody answers, or in a way that cannot be understood.
class Unreachable : public Error {
public:
	using Error::Error;
};

// The daemon answered that it cannot or will not.
class Declined : public std::runtime_error {
public:
	Declined(std::string code, const std::string& message, std::string advice)
		: std::runtime_error{message}, code_{std::move(code)}, advice_{std::move(advice)}
	{
	}
	[[nodiscard]] const std::string& code() const noexcept { return code_; } // docs/ipc.md
	[[nodiscard]] const std::string& advice() const noexcept { return advice_; }

private:
	std::string code_, advice_;
};

struct Hello {
	std::string version;
	std::string engine;
	std::uint64_t pid = 0;
};

// Each call throws Unreachable or Declined. Not thread-safe.
class Client {
public:
	explicit Client(std::string path);

	[[nodiscard]] Hello hello();
	[[nodiscard]] std::vector<engine::OriginState> origins();
	[[nodiscard]] std::vector<engine::SnapshotState> snapshots();
	[[nodiscard]] std::vector<engine::Finding> doctor();
	[[nodiscard]] std::vector<engine::Counters> counters();
	[[nodiscard]] std::string metrics();
	[[nodiscard]] std::vector<std::string> table(const std::string& name);
	[[nodiscard]] std::vector<engine::Step> plan(const engine::Change& change);
	engine::Outcome apply(const engine::Change& change);
	[[nodiscard]] engine::ActivationPlan plan_activate_all();
	std::vector<engine::Finding> activate_all();

	// From now on this connection only has events.
	void watch();
	// The next event, or nothing when the time is over or a signal came in.
	[[nodiscard]] std::optional<engine::Event> next_event(std::chrono::milliseconds limit);

private:
	nlohmann::json exchange(const char* method, const nlohmann::json& parameters,
				std::chrono::milliseconds limit);
	void connect();
	void send_all(const std::string& bytes, std::chrono::steady_clock::time_point deadline);
	bool receive_some(std::chrono::steady_clock::time_point deadline, bool may_give_up);
	std::optional<std::string> receive(std::chrono::steady_clock::time_point deadline, bool may_give_up);
	[[noreturn]] void lost(const std::string& reason);

	std::string path_;
	UniqueFd socket_;
	std::string buffer_;
	std::uint64_t id_ = 0;
};

} // namespace snapctl::ipc
