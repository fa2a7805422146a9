// SPDX-License-Identifier: GPL-2.0-or-later
//
// How large stores are. Pure arithmetic over the format of docs/format-v1.md.
#pragma once

#include "base/units.h"

namespace snapctl::store {

// What a store needs when every chunk of the origin has an exception: more is
// never used. With the areas of a persistent store; a transient one needs a
// little less. chunk is a power of two, at least 512.
[[nodiscard]] Bytes worst_case(Bytes origin, Bytes chunk);

// Less than this is no use: the header, an area and a few chunks.
[[nodiscard]] Bytes smallest(Bytes chunk);

// NULL, or why this cannot be a chunk size over devices with these blocks.
[[nodiscard]] const char* chunk_fault(Bytes chunk, Bytes origin_block, Bytes cow_block);

} // namespace snapctl::store
