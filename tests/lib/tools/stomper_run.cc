// SPDX-License-Identifier: GPL-2.0-or-later
#include "stomper_run.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <exception>
#include <thread>

namespace tools {

void Mismatches::report(const Device &device, const char *when, std::uint64_t sector, const std::string &expected,
			const std::byte *found, std::optional<unsigned> first_byte, std::uint64_t further)
{
	const std::lock_guard guard(mutex_);
	if (count_++ >= max_told)
		return;
	std::printf("MISMATCH %s (%s) sector %" PRIu64 " %s: expected %s, found %s", device.spec.name.c_str(),
		    device.spec.path.c_str(), sector, when, expected.c_str(), sector_text(found, sector).c_str());
	if (first_byte)
		std::printf(", first wrong byte %u", *first_byte);
	if (further)
		std::printf(", %" PRIu64 " more sectors in the same read", further);
	std::printf("\n");
	std::fflush(stdout);
}

Stomper::Stomper(const StompOptions &options, std::vector<std::unique_ptr<Device>> &devices,
		 Mismatches &mismatches)
	: options_(options), devices_(devices), mismatches_(mismatches), run_(mix64(options.seed) & 0x7ffff)
{
	std::uint64_t align = options_.align;
	for (const auto &device : devices_)
		align = std::max<std::uint64_t>(align, device->file.logical_block());
	options_.align = align;
	if (align % sector_bytes || align & (align - 1))
		throw UsageError("--align must be a power of two, of at least 512");
	options_.max_io = std::max(options_.max_io / align * align, align);
	options_.chunk = std::max(options_.chunk / align * align, align);
}

void Stomper::in_threads(unsigned nr, const std::function<void(unsigned)> &body)
{
	std::exception_ptr failure;
	std::mutex mutex;
	{
		std::vector<std::jthread> threads;
		for (unsigned i = 0; i < nr; i++)
			threads.emplace_back([&, i] {
				try {
					body(i);
				} catch (...) {
					const std::lock_guard guard(mutex);
					failure = std::current_exception();
					stop_ = true;
				}
			});
	}
	if (failure)
		std::rethrow_exception(failure);
}

void Stomper::sweep(const std::function<void(Device &, SectorRange, std::span<std::byte>)> &body)
{
	constexpr std::uint64_t piece = (1 << 20) / sector_bytes;
	for (const auto &device : devices_) {
		std::atomic<std::uint64_t> next = 0;
		in_threads(options_.threads, [&](unsigned) {
			AlignedBuffer buffer(piece * sector_bytes);
			while (!device->failed) {
				const std::uint64_t start = next.fetch_add(piece);
				if (start >= device->sectors)
					return;
				const SectorRange range{start, std::min(piece, device->sectors - start)};
				body(*device, range, buffer.first(range.nr * sector_bytes));
			}
		});
	}
}

void Stomper::load_models()
{
	sweep([&](Device &device, SectorRange range, std::span<std::byte> bytes) {
		if (const int error = device.file.try_read(range.start * sector_bytes, bytes))
			return read_failed(device, error, range);
		for (std::uint64_t i = 0; i < range.nr; i++)
			device.cells[range.start + i] =
				sector_classify(bytes.data() + i * sector_bytes, range.start + i);
	});
	continue_sequence();
}

void Stomper::continue_sequence()
{
	std::uint64_t highest = 0;
	for (const auto &device : devices_)
		for (const Cell cell : device->cells)
			if (!(cell & cell_opaque) && stamp_run(cell) == run_)
				highest = std::max(highest, cell & stamp_sequence_mask);
	sequence_ = highest;
}

void Stomper::device_gone(Device &device, int error, const char *what)
{
	if (device.failed.exchange(true))
		return;
	std::printf("gone: %s (%s): %s: %s\n", device.spec.name.c_str(), device.spec.path.c_str(), what,
		    std::strerror(error));
	std::fflush(stdout);
	if (journal_)
		journal_->append({JournalType::gone, static_cast<std::uint8_t>(device.index), 0, 0, 0, 0, 0});
}

void Stomper::read_failed(Device &device, int error, SectorRange range)
{
	if (!device.spec.may_fail)
		throw Error(error, "read: " + device.spec.path + " at sector " + std::to_string(range.start) + " +" +
					   std::to_string(range.nr));
	device_gone(device, error, "read");
}

void Stomper::write_failed(Device &device, int error, SectorRange range, const char *what)
{
	if (device.spec.may_overflow) {
		// Which of it arrived is unknown; everything else must stay readable.
		std::fill_n(device.cells.begin() + static_cast<std::ptrdiff_t>(range.start), range.nr, cell_any);
		if (!device.no_writes.exchange(true)) {
			std::printf("no more writes: %s (%s): %s: %s\n", device.spec.name.c_str(),
				    device.spec.path.c_str(), what, std::strerror(error));
			std::fflush(stdout);
		}
		return;
	}
	if (!device.spec.may_fail)
		throw Error(error, std::string(what) + ": " + device.spec.path + " at sector " +
					   std::to_string(range.start) + " +" + std::to_string(range.nr));
	device_gone(device, error, what);
}

void Stomper::verify(Device &device, SectorRange range, std::span<const std::byte> bytes, const char *when)
{
	std::optional<std::uint64_t> first;
	std::uint64_t wrong = 0;
	for (std::uint64_t i = 0; i < range.nr; i++) {
		if (sector_matches(bytes.data() + i * sector_bytes, range.start + i, device.cells[range.start + i]))
			continue;
		if (!first)
			first = i;
		wrong++;
	}
	device.verified_sectors += range.nr;
	if (!first)
		return;
	const std::uint64_t sector = range.start + *first;
	const Cell cell = device.cells[sector];
	const std::byte *found = bytes.data() + *first * sector_bytes;
	mismatches_.report(device, when, sector, cell_text(cell), found, sector_first_difference(found, sector, cell),
			   wrong - 1);
	stop_ = true;
}

void Stomper::flush(Device &device)
{
	const auto index = static_cast<std::uint8_t>(device.index);
	const std::uint64_t id = ++flushes_;
	if (journal_)
		journal_->append({JournalType::flush_begin, index, 0, 0, 0, id, 0});
	if (const int error = device.file.try_flush()) {
		if (!device.spec.may_fail && !device.spec.may_overflow)
			throw Error(error, "flush: " + device.spec.path);
		if (device.spec.may_fail)
			device_gone(device, error, "flush");
		return;
	}
	if (journal_)
		journal_->append({JournalType::flush_ack, index, 0, 0, 0, id, 0});
}

bool Stomper::time_is_up() const
{
	return options_.seconds > 0 && std::chrono::steady_clock::now() >= deadline_;
}

// One thread of load.
class Stomper::Worker {
public:
	Worker(Stomper &stomper, unsigned index)
		: stomper_(stomper), options_(stomper.options_), random_(mix64(options_.seed) + index),
		  buffer_(options_.max_io)
	{
		// The origin twice: that is where copies come from.
		for (const auto &device : stomper_.devices_) {
			if (device->sectors * sector_bytes < options_.align)
				continue;
			choices_.push_back(device.get());
			if (device->index == 0)
				choices_.push_back(device.get());
		}
	}

	void run()
	{
		while (!stomper_.stop_ && !choices_.empty() && !stomper_.time_is_up()) {
			if (stomper_.ops_++ >= options_.ops && options_.ops) {
				stomper_.ops_--;
				return;
			}
			one();
		}
	}

private:
	struct Bytes {
		std::uint64_t start, nr;
	};

	void one()
	{
		if (run_left_ == 0) {
			device_ = choices_[random_.below(choices_.size())];
			writing_ = !random_.percent(options_.read_percent);
			choose_range();
		} else {
			run_left_--;
			range_.start += range_.nr;
			if (range_.start + range_.nr > device_bytes()) {
				run_left_ = 0;
				return;
			}
		}
		if (device_->failed)
			return;
		const SectorRange range{range_.start / sector_bytes, range_.nr / sector_bytes};
		if (writing_ && device_->spec.writable && !device_->no_writes)
			write(range);
		else
			read(range);
	}

	[[nodiscard]] std::uint64_t device_bytes() const
	{
		return device_->sectors * sector_bytes / options_.align * options_.align;
	}

	std::uint64_t choose_length()
	{
		const std::uint64_t unit = options_.align;
		const std::uint64_t kind = random_.below(100);
		if (kind < 50)
			return (1 + random_.below(std::max<std::uint64_t>(8192 / unit, 1))) * unit;
		if (kind < 70)
			return options_.chunk;
		if (kind < 92)
			return (1 + random_.below(std::max<std::uint64_t>(131072 / unit, 1))) * unit;
		return (1 + random_.below(std::max<std::uint64_t>(options_.max_io / unit, 1))) * unit;
	}

	// Where the load was a moment ago, anywhere, or across a chunk's border.
	std::uint64_t choose_start(std::uint64_t length, std::uint64_t limit)
	{
		const std::uint64_t kind = random_.below(100);
		std::uint64_t start = random_.next() % limit;
		if (kind < 45) {
			const unsigned slot = static_cast<unsigned>(random_.below(stomper_.recent_.size()));
			start = stomper_.recent_[slot] + random_.below(3) * options_.align;
		} else if (kind < 60) {
			start = start / options_.chunk * options_.chunk;
		} else if (kind < 75) {
			start = start / options_.chunk * options_.chunk + options_.chunk;
			const std::uint64_t back = random_.below(length / options_.align + 1) * options_.align;
			start -= std::min(back, start);
		} else if (kind < 78) {
			start = limit; // the end, which may be part of a chunk
		}
		return start / options_.align * options_.align;
	}

	void choose_range()
	{
		const std::uint64_t all = device_bytes();
		range_.nr = std::min({choose_length(), options_.max_io, all});
		range_.start = std::min(choose_start(range_.nr, all), all - range_.nr);
		if (random_.percent(3))
			run_left_ = 4 + static_cast<unsigned>(random_.below(60));
		stomper_.recent_[stomper_.recent_next_++ % stomper_.recent_.size()] = range_.start;
	}

	void read(SectorRange range)
	{
		const auto bytes = buffer_.first(range.nr * sector_bytes);
		const IntervalLock::Guard guard(device_->lock, range, IntervalLock::Mode::shared);
		if (const int error = device_->file.try_read(range.start * sector_bytes, bytes))
			return stomper_.read_failed(*device_, error, range);
		device_->reads++;
		stomper_.verify(*device_, range, bytes, "under load");
	}

	void write(SectorRange range)
	{
		const Cell stamp = make_stamp(stomper_.run_, device_->index, ++stomper_.sequence_);
		const bool zero = random_.percent(options_.zero_percent);
		const bool discard = !zero && device_->index == 0 && random_.percent(options_.discard_percent);
		const bool durable = !zero && !discard && options_.fua_every && random_.below(options_.fua_every) == 0;
		const Cell cell = zero ? cell_zero : discard ? cell_any : stamp;
		const auto bytes = buffer_.first(range.nr * sector_bytes);
		if (cell == stamp)
			sectors_fill(bytes, range.start, stamp);

		JournalRecord record{JournalType::intent,
				     static_cast<std::uint8_t>(device_->index),
				     static_cast<std::uint16_t>((durable ? journal_durable : 0) |
								(zero ? journal_zero : 0) | (discard ? journal_any : 0)),
				     static_cast<std::uint32_t>(range.nr),
				     range.start,
				     stamp,
				     0};
		{
			const IntervalLock::Guard guard(device_->lock, range, IntervalLock::Mode::exclusive);
			if (stomper_.journal_)
				stomper_.journal_->append(record);
			const std::uint64_t at = range.start * sector_bytes;
			int error;
			if (zero)
				error = device_->file.try_zero(at, range.nr * sector_bytes);
			else if (discard)
				error = device_->file.try_discard(at, range.nr * sector_bytes);
			else
				error = device_->file.try_write(at, bytes, durable);
			if (error)
				return stomper_.write_failed(*device_, error, range,
							     zero ? "zero" : discard ? "discard" : "write");
			std::fill_n(device_->cells.begin() + static_cast<std::ptrdiff_t>(range.start), range.nr, cell);
			record.type = JournalType::ack;
			if (stomper_.journal_)
				stomper_.journal_->append(record);
		}
		const std::uint64_t nr_writes = ++device_->writes;
		if (options_.flush_every && nr_writes % options_.flush_every == 0)
			stomper_.flush(*device_);
	}

	Stomper &stomper_;
	const StompOptions &options_;
	Random random_;
	AlignedBuffer buffer_;
	std::vector<Device *> choices_;
	Device *device_ = nullptr;
	bool writing_ = false;
	Bytes range_{};
	unsigned run_left_ = 0;
};

void Stomper::stomp()
{
	deadline_ = std::chrono::steady_clock::now() +
		    std::chrono::duration_cast<std::chrono::steady_clock::duration>(
			    std::chrono::duration<double>(options_.seconds));
	in_threads(options_.threads, [this](unsigned index) { Worker(*this, index).run(); });
	for (const auto &device : devices_)
		if (device->spec.writable && !device->failed && mismatches_.count() == 0)
			flush(*device);
}

void Stomper::verify_all(const char *when)
{
	sweep([&](Device &device, SectorRange range, std::span<std::byte> bytes) {
		if (const int error = device.file.try_read(range.start * sector_bytes, bytes))
			return read_failed(device, error, range);
		verify(device, range, bytes, when);
	});
}

} // namespace tools
