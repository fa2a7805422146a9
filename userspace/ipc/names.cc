// SPDX-License-Identifier: GPL-2.0-or-later
#include "ipc/names.h"

#include <array>

namespace snapctl::ipc {

namespace {

template <class E, std::size_t n>
using Table = std::array<std::pair<E, std::string_view>, n>;

using engine::EventKind;
using engine::Health;
using engine::OnFull;
using engine::SpaceKind;
using Level = engine::Finding::Level;
using What = engine::MergeControl::What;

constexpr Table<SpaceKind, 3> space_kinds{{
	{SpaceKind::file, "file"},
	{SpaceKind::volume_group, "volume_group"},
	{SpaceKind::device, "device"},
}};

constexpr Table<OnFull, 3> on_full{{
	{OnFull::queue, "queue"},
	{OnFull::overflow, "overflow"},
	{OnFull::invalidate, "invalidate"},
}};

constexpr Table<Health, 8> health{{
	{Health::active, "active"},
	{Health::inactive, "inactive"},
	{Health::waiting, "waiting"},
	{Health::overflow, "overflow"},
	{Health::invalid, "invalid"},
	{Health::merging, "merging"},
	{Health::merge_failed, "merge_failed"},
	{Health::missing, "missing"},
}};

constexpr Table<EventKind, 15> event_kinds{{
	{EventKind::invalid, "invalid"},
	{EventKind::overflow, "overflow"},
	{EventKind::low_water, "low_water"},
	{EventKind::waiting, "waiting"},
	{EventKind::space_found, "space_found"},
	{EventKind::merge_progress, "merge_progress"},
	{EventKind::merge_done, "merge_done"},
	{EventKind::merge_failed, "merge_failed"},
	{EventKind::merge_paused, "merge_paused"},
	{EventKind::created, "created"},
	{EventKind::removed, "removed"},
	{EventKind::extended, "extended"},
	{EventKind::extend_failed, "extend_failed"},
	{EventKind::activated, "activated"},
	{EventKind::deactivated, "deactivated"},
}};

constexpr Table<Level, 3> levels{{
	{Level::good, "good"},
	{Level::hint, "hint"},
	{Level::problem, "problem"},
}};

constexpr Table<What, 3> merge_controls{{
	{What::pause, "pause"},
	{What::resume, "resume"},
	{What::rate, "rate"},
}};

} // namespace

NameTable<SpaceKind> names_of(SpaceKind) { return space_kinds; }
NameTable<OnFull> names_of(OnFull) { return on_full; }
NameTable<Health> names_of(Health) { return health; }
NameTable<EventKind> names_of(EventKind) { return event_kinds; }
NameTable<Level> names_of(Level) { return levels; }
NameTable<What> names_of(What) { return merge_controls; }

} // namespace snapctl::ipc
