// SPDX-License-Identifier: GPL-2.0-or-later
//
// When a snapshot's space grows by itself, and by how much. Pure functions.
#pragma once

#include <optional>

#include "base/config.h"
#include "engine/engine.h"

namespace snapctl::engine {

struct ExtendPolicy {
	bool on = false;
	Percent threshold{80};
	Percent step{50};
	Percent maximum{0}; // of the origin; 0: the worst case
};

[[nodiscard]] ExtendPolicy policy_for(const Config& config, SpaceKind kind);

struct SpaceNow {
	Bytes allocated, total;
	Bytes origin;     // its size
	Bytes worst_case; // more is never used
	Bytes unit;       // sizes are multiples of it
	std::optional<Bytes> fill_rate; // a second, lately
	std::optional<Bytes> room;      // free, where it grows
};

// The size to grow to now; nothing when it is not time, or when it cannot grow
// further. A step is at least what is filled within ten seconds at the present rate, if
// that is not more than half of the room, and leaves a sixteenth of the room to others:
// the registry may be there, too. Without room it is one unit, so that trying says why.
[[nodiscard]] std::optional<Bytes> next_size(const ExtendPolicy& policy, const SpaceNow& now);

// The free space at which the kernel shall raise its low-water event; 0: never.
// Also without the policy, for those who watch.
[[nodiscard]] Bytes low_water_mark(const ExtendPolicy& policy, Bytes total);

// A rate in KiB a second, as the kernel takes it: 0 (no limit) stays 0, less than one is one.
[[nodiscard]] std::uint64_t merge_rate_kib(Bytes rate) noexcept;

} // namespace snapctl::engine
