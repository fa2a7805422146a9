// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel's device-mapper through libdevmapper. Waits for udev where udev
// runs; where it does not, or with DM_DISABLE_UDEV=1, makes the nodes itself.
#pragma once

#include <memory>

#include "dm/mapper.h"

namespace snapctl::dm {

[[nodiscard]] std::unique_ptr<Mapper> make_libdm_mapper();

} // namespace snapctl::dm
