// SPDX-License-Identifier: GPL-2.0-or-later
//
// How each thing that is printed is described.
#pragma once

#include "cli/cell.h"
#include "engine/engine.h"

namespace snapctl::cli {

[[nodiscard]] const Columns<engine::OriginState>& origin_columns();
[[nodiscard]] const Columns<engine::SnapshotState>& snapshot_columns();
[[nodiscard]] const Columns<engine::Outcome>& outcome_columns();
[[nodiscard]] const Columns<engine::Step>& step_columns();
[[nodiscard]] const Columns<engine::Event>& event_columns();
[[nodiscard]] const Columns<engine::Finding>& finding_columns();

} // namespace snapctl::cli
