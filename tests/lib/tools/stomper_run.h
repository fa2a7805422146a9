// SPDX-License-Identifier: GPL-2.0-or-later
//
// The load, the checks that run beside it, and the check at the end.
#ifndef TOOLS_STOMPER_RUN_H
#define TOOLS_STOMPER_RUN_H

#include "device_model.h"
#include "stomper_journal.h"

#include <array>
#include <chrono>

namespace tools {

struct StompOptions {
	double seconds = 0;	       // 0: no limit
	std::uint64_t ops = 0;	       // 0: no limit
	std::uint64_t seed = 1;
	unsigned threads = 4;
	std::uint64_t max_io = 1 << 20;
	std::uint64_t align = 0;       // 0: the largest logical block of the devices
	std::uint64_t chunk = 16384;   // hint: borders that ranges should cross
	std::uint64_t flush_every = 0; // writes of a device between flushes, 0: none
	std::uint64_t fua_every = 0;   // one write in so many is durable in itself, 0: none
	unsigned zero_percent = 0;     // of the writes: zeroes by the device's own command
	unsigned discard_percent = 0;  // of the writes to the origin
	unsigned read_percent = 40;
};

// What was found to be wrong, told as it is found; counted.
class Mismatches {
public:
	void report(const Device &device, const char *when, std::uint64_t sector, const std::string &expected,
		    const std::byte *found, std::optional<unsigned> first_byte, std::uint64_t further);
	[[nodiscard]] std::uint64_t count() const { return count_; }

private:
	static constexpr std::uint64_t max_told = 20;
	std::mutex mutex_;
	std::atomic<std::uint64_t> count_ = 0;
};

class Stomper {
public:
	Stomper(const StompOptions &options, std::vector<std::unique_ptr<Device>> &devices, Mismatches &mismatches);

	// Takes the models from what the devices hold.
	void load_models();
	// After the models were set from elsewhere: no stamp is used twice.
	void continue_sequence();
	void set_journal(Journal *journal) { journal_ = journal; }
	// Stops early after a mismatch.
	void stomp();
	// Everything, against the models.
	void verify_all(const char *when);
	[[nodiscard]] std::uint64_t ops() const { return ops_; }

private:
	class Worker;

	// Runs @body(device, range, buffer) over all of the devices, in parallel.
	void sweep(const std::function<void(Device &, SectorRange, std::span<std::byte>)> &body);
	void in_threads(unsigned nr, const std::function<void(unsigned)> &body);
	void read_failed(Device &device, int error, SectorRange range);
	void write_failed(Device &device, int error, SectorRange range, const char *what);
	void device_gone(Device &device, int error, const char *what);
	void verify(Device &device, SectorRange range, std::span<const std::byte> bytes, const char *when);
	void flush(Device &device);
	[[nodiscard]] bool time_is_up() const;

	StompOptions options_;
	std::vector<std::unique_ptr<Device>> &devices_;
	Mismatches &mismatches_;
	Journal *journal_ = nullptr;
	std::uint64_t run_ = 0;
	std::atomic<std::uint64_t> sequence_ = 0;
	std::atomic<std::uint64_t> flushes_ = 0;
	std::atomic<std::uint64_t> ops_ = 0;
	std::atomic<bool> stop_ = false;
	std::chrono::steady_clock::time_point deadline_;
	// Where the load was lately, as bytes: others go there to meet it.
	std::array<std::atomic<std::uint64_t>, 64> recent_{};
	std::atomic<unsigned> recent_next_ = 0;
};

} // namespace tools

#endif
