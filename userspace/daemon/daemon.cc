// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/daemon.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/config.h"
#include "base/error.h"
#include "daemon/engine_loop.h"
#include "daemon/notify.h"
#include "engine/simulation.h"
#include "ipc/names.h"
#include "ipc/server.h"

namespace snapctl::daemon {

namespace {

namespace asio = boost::asio;
using Code = boost::system::error_code;

// While an origin is suspended, a page of ours that has to be read from a disk
// under it would never come.
void lock_memory(bool simulated)
{
	if (simulated)
		return;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		std::cerr << "snapctl: cannot lock memory (" << std::strerror(errno)
			  << "); a volume that holds this program or swap should not be an origin" << std::endl;
}

// Of two daemons the second would resume what the first has suspended. Held until the end.
UniqueFd lock_out_others(const std::string& socket)
{
	const std::filesystem::path folder = std::filesystem::absolute(socket).parent_path();
	std::filesystem::create_directories(folder);
	const std::string path = (folder / "daemon.lock").string();
	UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
	if (!fd)
		throw Error::from_errno(errno, "start", path);
	if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0)
		throw Error{Failure::busy, "start", path, "another daemon is running"};
	return fd;
}

// Says to systemd that the loop still turns.
class Watchdog {
public:
	explicit Watchdog(asio::io_context& io) : timer_{io}
	{
		if (const auto interval = watchdog_interval()) {
			period_ = *interval / 3;
			tick();
		}
	}

private:
	void tick()
	{
		notify("WATCHDOG=1");
		timer_.expires_after(period_);
		timer_.async_wait([this](Code code) {
			if (!code)
				tick();
		});
	}

	asio::steady_timer timer_;
	std::chrono::microseconds period_{};
};

void log_event(const engine::Event& event)
{
	using engine::EventKind;
	if (event.kind == EventKind::merge_progress)
		return;
	std::cerr << "snapctl: " << event.device << ": " << ipc::name_of(event.kind)
		  << (event.text.empty() ? "" : ": ") << event.text << std::endl;
}

UniqueFd listening_socket(const std::string& path, std::optional<gid_t> readers)
{
	if (auto inherited = inherited_socket()) {
		// systemd made it for root alone, unless its unit says otherwise.
		if (readers)
			ipc::open_to(path_of(*inherited), *readers);
		return std::move(*inherited);
	}
	std::filesystem::create_directories(std::filesystem::path{path}.parent_path());
	return ipc::listen_at(path, readers);
}

} // namespace

int run(const Options& options)
{
	// Nobody at the other end is an error of write(2), not our end.
	std::signal(SIGPIPE, SIG_IGN);
	Config config = load_config(options.config.empty() ? default_config_path : options.config);
	if (!options.socket.empty())
		config.socket = options.socket;
	const auto readers = ipc::find_group(config.read_group);

	std::unique_ptr<engine::Simulation> simulation;
	std::unique_ptr<engine::Engine> system;
	// Both before anything is resumed or finished.
	const UniqueFd alone = options.simulate ? UniqueFd{} : lock_out_others(config.socket);
	lock_memory(options.simulate);
	if (options.simulate)
		simulation = engine::make_simulated_engine();
	else
		system = engine::make_system_engine(config);
	engine::Engine& engine = options.simulate ? simulation->engine() : *system;

	asio::io_context io{1};
	ipc::Service service{engine, ipc::Access{geteuid(), readers},
			     {options.version, options.simulate ? "simulated" : "device-mapper"}};
	EngineLoop loop{io, engine};
	ipc::Server server{io, service, listening_socket(config.socket, readers), {}, [&loop] { loop.rearm(); }};
	engine.on_event([&server](const engine::Event& event) {
		log_event(event);
		server.broadcast(event);
	});
	Watchdog watchdog{io};
	asio::signal_set signals{io, SIGTERM, SIGINT};
	signals.async_wait([&io](Code code, int) {
		if (!code)
			io.stop();
	});

	notify("READY=1");
	io.run();
	notify("STOPPING=1");
	return 0;
}

} // namespace snapctl::daemon
