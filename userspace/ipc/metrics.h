// SPDX-License-Identifier: GPL-2.0-or-later
//
// The state of things as OpenMetrics text, for Prometheus and its kin.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"

namespace snapctl::ipc {

// Closed by "# EOF". A pure function of what is given.
[[nodiscard]] std::string openmetrics(const std::vector<engine::OriginState>& origins,
				      const std::vector<engine::SnapshotState>& snapshots,
				      const std::vector<engine::Counters>& counters,
				      const std::string& version);

} // namespace snapctl::ipc
