// SPDX-License-Identifier: GPL-2.0-or-later
//
// The control socket: connections, limits, time. What a request means is the
// service's business.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "engine/engine.h"
#include "ipc/service.h"

namespace boost::asio {
class io_context;
}

namespace snapctl::ipc {

struct Limits {
	// Without a request. Then the connection is closed; a watcher's is not.
	std::chrono::milliseconds idle{60'000};
	// From a request's first byte to its last, and for taking an answer.
	std::chrono::milliseconds transfer{5'000};
	std::size_t connections = 64;
	// Of those, only for who may change: readers cannot shut root out.
	std::size_t reserved = 16;
	// Answers and events that were not read yet; a watcher that is so far
	// behind is cut off.
	std::size_t backlog_bytes = 1024 * 1024;
};

class Server {
public:
	// The socket listens already. `handled` is called after each request.
	Server(boost::asio::io_context& io, Service& service, UniqueFd listening, Limits limits = {},
	       std::function<void()> handled = {});
	~Server(); // closes all connections

	// To all watchers.
	void broadcast(const engine::Event& event);
	[[nodiscard]] std::size_t connections() const noexcept;

	struct State;

private:
	std::shared_ptr<State> state_;
};

// A listening unix socket at `path`, in place of whatever socket is there, for
// root and, if given, this group. Throws Error.
[[nodiscard]] UniqueFd listen_at(const std::string& path, std::optional<gid_t> group);
// Members of the group may connect to the socket at this path.
void open_to(const std::string& path, gid_t group);

} // namespace snapctl::ipc
