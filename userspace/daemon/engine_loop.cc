// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/engine_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.h"
#include "base/unique_fd.h"

namespace snapctl::daemon {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;
using Code = boost::system::error_code;
using std::chrono::milliseconds;

namespace {

UniqueFd make_epoll()
{
	UniqueFd fd{epoll_create1(EPOLL_CLOEXEC)};
	if (!fd)
		throw Error::from_errno(errno, "make", "an epoll descriptor");
	return fd;
}

} // namespace

// The engine's descriptors are the engine's: it may close or change them at any
// call. So they go into a set of our own (epoll, level-triggered), and the
// event loop waits for that one descriptor.
struct EngineLoop::State : std::enable_shared_from_this<State> {
	State(asio::io_context& io, engine::Engine& the_engine)
		: engine{the_engine}, timer{io}, descriptors{io, make_epoll().release()}
	{
	}

	void poll()
	{
		try {
			engine.poll();
		} catch (const std::exception& error) {
			// Nobody asked, so nobody but the log is told. What is tried again is
			// not tried in a circle without a pause.
			std::cerr << "snapctl: " << error.what() << std::endl;
			arm_timer(milliseconds{1000});
			return;
		}
		arm();
	}

	void arm()
	{
		arm_timer(milliseconds{0});
		collect();
		if (waiting)
			return;
		waiting = true;
		descriptors.async_wait(Descriptor::wait_read, [weak = weak_from_this()](Code code) {
			const auto self = weak.lock();
			if (!self || code)
				return;
			self->waiting = false;
			self->poll();
		});
	}

	void arm_timer(milliseconds at_least)
	{
		timer.cancel();
		const auto limit = engine.next_poll();
		if (!limit && at_least.count() == 0)
			return;
		timer.expires_after(std::max(limit.value_or(at_least), at_least));
		timer.async_wait([weak = weak_from_this()](Code code) {
			const auto self = weak.lock();
			if (self && !code)
				self->poll();
		});
	}

	void collect()
	{
		const auto now = engine.descriptors();
		const int set = descriptors.native_handle();
		for (const int fd : known)
			if (std::ranges::find(now, fd) == now.end())
				epoll_ctl(set, EPOLL_CTL_DEL, fd, nullptr); // closed ones have left by themselves
		known = {now.begin(), now.end()};
		for (const int fd : now) {
			epoll_event event{};
			event.events = EPOLLIN | EPOLLPRI;
			event.data.fd = fd;
			// Those that are in it, and those of another file under an old number.
			if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0 && errno != EEXIST)
				throw Error::from_errno(errno, "wait for", "an event of the engine");
		}
	}

	engine::Engine& engine;
	asio::steady_timer timer;
	Descriptor descriptors;
	std::set<int> known;
	bool waiting = false;
};

EngineLoop::EngineLoop(asio::io_context& io, engine::Engine& engine)
	: state_{std::make_shared<State>(io, engine)}
{
	state_->arm();
}

EngineLoop::~EngineLoop() = default;

void EngineLoop::rearm() { state_->arm(); }

} // namespace snapctl::daemon
