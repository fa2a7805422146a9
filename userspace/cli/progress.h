// SPDX-License-Identifier: GPL-2.0-or-later
//
// How far a merge is, as a line. Pure.
#pragma once

#include <string>

#include "engine/engine.h"

namespace snapctl::cli {

// How much of it is done; 100 only when nothing is left.
[[nodiscard]] Percent merged_percent(const engine::MergeState& merge);

// For a terminal of this many columns, never wider:
// "monday [#####-----]  50%  1.00 GiB left  100 MiB/s  0:10 to go"
[[nodiscard]] std::string progress_bar(const std::string& name, const engine::MergeState& merge, unsigned width);

// For a file: "monday: 50% merged, 1.00 GiB left, 100 MiB/s".
[[nodiscard]] std::string progress_line(const std::string& name, const engine::MergeState& merge);

} // namespace snapctl::cli
