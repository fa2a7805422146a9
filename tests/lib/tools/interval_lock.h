// SPDX-License-Identifier: GPL-2.0-or-later
//
// Locks ranges of one device: one writer or many readers for each sector. While
// a range is held its cells in the model say exactly what the device holds, or
// are about to be set by the holder.
#ifndef TOOLS_INTERVAL_LOCK_H
#define TOOLS_INTERVAL_LOCK_H

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tools {

struct SectorRange {
	std::uint64_t start;
	std::uint64_t nr;
	[[nodiscard]] std::uint64_t end() const { return start + nr; }
};

class IntervalLock {
public:
	enum class Mode { shared, exclusive };

	class Guard {
	public:
		Guard(IntervalLock &lock, SectorRange range, Mode mode) : lock_(lock), range_(range), mode_(mode)
		{
			lock_.acquire(range_, mode_);
		}
		~Guard() { lock_.release(range_, mode_); }
		Guard(const Guard &) = delete;
		Guard &operator=(const Guard &) = delete;

	private:
		IntervalLock &lock_;
		SectorRange range_;
		Mode mode_;
	};

private:
	struct Held {
		SectorRange range;
		Mode mode;
	};

	// A list is enough: there are as many holders as threads.
	[[nodiscard]] bool conflicts(SectorRange range, Mode mode) const;
	void acquire(SectorRange range, Mode mode);
	void release(SectorRange range, Mode mode);

	std::mutex mutex_;
	std::condition_variable released_;
	std::vector<Held> held_;
};

} // namespace tools

#endif
