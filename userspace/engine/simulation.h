// SPDX-License-Identifier: GPL-2.0-or-later
//
// The engine over machines in memory: the same planner, executor, registry and
// poll(), without root and without a kernel. For the tests of what is above.
#pragma once

#include <memory>

#include "dm/sim_mapper.h"
#include "engine/make.h"
#include "engine/sim_host.h"
#include "genl/events.h"

namespace snapctl::engine {

// Events that a test sends as if the kernel had.
class SimEvents final : public genl::EventSource {
public:
	SimEvents();
	void send(const genl::KernelEvent& event);
	void lose_some();
	std::vector<genl::KernelCounters> counters; // what dump() answers

	int fd() override { return fd_.get(); }
	Batch read() override;
	std::vector<genl::KernelCounters> dump() override { return counters; }
	bool refresh() override { return true; }

private:
	UniqueFd fd_;
	Batch waiting_;
};

// A small machine: disks /dev/sda (1 GiB, the origin-to-be "data" is not made),
// /dev/sdb, /dev/sdc (256 MiB); /dev/mapper/vg-home, a linear LV of 512 MiB on /dev/sdd; a
// volume group "vg" with 2 GiB free; the default directory on a file system of
// /dev/sde with 8 GiB free.
class Simulation {
public:
	explicit Simulation(Config config = simulated_config());
	// The daemon dies and starts again, or the machine does.
	void restart();
	void start(); // with the fuse as it is
	void reboot();

	[[nodiscard]] Engine& engine() { return *engine_; }
	[[nodiscard]] static Config simulated_config();

	Fuse fuse;
	dm::SimMapper mapper{fuse};
	SimHost host{fuse, mapper};
	SimEvents events;

private:
	Config config_;
	std::shared_ptr<void> folder_; // of the registry, so that it survives restart()
	std::unique_ptr<Engine> engine_;
};

[[nodiscard]] std::unique_ptr<Simulation> make_simulated_engine();

} // namespace snapctl::engine
