// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is wrong, or soon will be, and what to do about it.
#pragma once

#include "base/config.h"
#include "dm/mapper.h"
#include "engine/engine.h"
#include "engine/host.h"
#include "engine/registry.h"

namespace snapctl::engine {

struct DoctorsView {
	const Config& config;
	Registry& registry;
	dm::Mapper& mapper;
	Host& host;
	bool module_is_ours = false;
	bool listening = false; // to the module's events
	std::vector<OriginState> origins;
	std::vector<SnapshotState> snapshots;
	std::vector<std::string> recovered; // at the last start
};

[[nodiscard]] std::vector<Finding> examine(const DoctorsView& view);

} // namespace snapctl::engine
