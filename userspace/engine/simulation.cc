// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/simulation.h"

#include <cstdlib>
#include <filesystem>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

namespace snapctl::engine {

SimEvents::SimEvents() : fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {}

void SimEvents::send(const genl::KernelEvent& event)
{
	waiting_.events.push_back(event);
	const std::uint64_t one = 1;
	(void)!::write(fd_.get(), &one, sizeof(one));
}

void SimEvents::lose_some() { waiting_.lost = true; }

genl::EventSource::Batch SimEvents::read()
{
	std::uint64_t count = 0;
	while (::read(fd_.get(), &count, sizeof(count)) > 0)
		;
	return std::exchange(waiting_, {});
}

namespace {

std::shared_ptr<void> make_folder(std::string& path)
{
	// In memory where possible: every step of a plan is made durable.
	std::error_code none;
	const std::filesystem::path shared = "/dev/shm";
	const bool good = std::filesystem::is_directory(shared, none) && ::access(shared.c_str(), W_OK) == 0;
	std::string name = ((good ? shared : std::filesystem::temp_directory_path()) / "snapctl-simulation-XXXXXX").string();
	if (::mkdtemp(name.data()) == nullptr)
		throw Error::from_errno(errno, "simulation", name);
	path = name;
	return {nullptr, [name](void*) {
			std::error_code ignored;
			std::filesystem::remove_all(name, ignored);
		}};
}

} // namespace

Config Simulation::simulated_config()
{
	Config config;
	config.cow_directory = "/var/lib/snapctl/cow";
	config.state_directory = ""; // a folder of its own
	return config;
}

Simulation::Simulation(Config config) : config_{std::move(config)}
{
	constexpr std::uint64_t mib = 1 << 20;
	if (config_.state_directory.empty())
		folder_ = make_folder(config_.state_directory);
	host.add_disk("/dev/sda", Bytes{1024 * mib});
	host.add_disk("/dev/sdb", Bytes{256 * mib});
	host.add_disk("/dev/sdc", Bytes{256 * mib});
	const DeviceNumber home = host.add_disk("/dev/sdd", Bytes{512 * mib});
	host.add_disk("/dev/sde", Bytes{16384 * mib});
	host.add_disk("/dev/sdf", Bytes{4096 * mib});
	host.add_mount("/", "/dev/sde", Bytes{8192 * mib});
	// The registry's folder, wherever it is.
	host.add_mount(config_.state_directory, "", Bytes{mib});
	host.add_volume_group("vg", Bytes{2048 * mib}, {"/dev/sdf"});
	const DmName name{"vg-home"};
	mapper.create(name, DmUuid{"LVM-vg-home"}, dm::Visibility::shown);
	mapper.load(name, {{Sectors{0}, Sectors{512 * mib / 512}, dm::Linear{home.str(), Sectors{0}}}}, false);
	mapper.resume(name, dm::Visibility::shown);
	mapper.set_open(name, 1);
	fuse.reset();
	restart();
}

void Simulation::restart()
{
	fuse.reset();
	start();
}

void Simulation::start()
{
	engine_.reset();
	engine_ = make_engine(config_, mapper, host, &events);
}

void Simulation::reboot()
{
	engine_.reset();
	fuse.reset();
	mapper.reboot();
	host.reboot();
	restart();
}

std::unique_ptr<Simulation> make_simulated_engine() { return std::make_unique<Simulation>(); }

} // namespace snapctl::engine
