// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/mapper.h"

namespace snapctl::dm {

std::optional<std::string> Mapper::name_of(DeviceNumber number)
{
	for (const ListedDevice& device : list())
		if (device.number == number)
			return device.name;
	return std::nullopt;
}

Suspended::Suspended(Mapper& mapper, DmName name, SuspendFlags flags, Visibility visibility)
	: mapper_{mapper}, name_{std::move(name)}, visibility_{visibility}
{
	mapper_.suspend(name_, flags);
}

Suspended::~Suspended()
{
	if (!suspended_)
		return;
	try {
		mapper_.resume(name_, visibility_);
	} catch (...) {
		// Nobody is left to tell; doctor finds what stays suspended.
	}
}

void Suspended::resume()
{
	mapper_.resume(name_, visibility_);
	suspended_ = false;
}

} // namespace snapctl::dm
