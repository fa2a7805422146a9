// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/content.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>

#include <blkid/blkid.h>

#include "base/error.h"
#include "base/unique_fd.h"

namespace snapctl::engine {

namespace {

struct FreeProbe {
	void operator()(blkid_probe probe) const { blkid_free_probe(probe); }
};
using Probe = std::unique_ptr<std::remove_pointer_t<blkid_probe>, FreeProbe>;

} // namespace

std::optional<std::string> find_content(const std::string& path)
{
	const char* const context = "look at what is on";
	const UniqueFd fd = open_file(path, O_RDONLY, context);
	const Probe probe{blkid_new_probe()};
	errno = 0;
	if (!probe || blkid_probe_set_device(probe.get(), fd.get(), 0, 0) < 0)
		throw Error::from_errno(errno != 0 ? errno : ENOMEM, context, path);
	blkid_probe_enable_superblocks(probe.get(), 1);
	blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE | BLKID_SUBLKS_BADCSUM); // a damaged one may be wanted, too
	blkid_probe_enable_partitions(probe.get(), 1);

	errno = 0;
	switch (blkid_do_safeprobe(probe.get())) {
	case 0: break;
	case 1: return std::nullopt;
	case -2: return "several things at once";
	default: throw Error::from_errno(errno != 0 ? errno : EIO, context, path);
	}
	const char* name = nullptr;
	if (blkid_probe_lookup_value(probe.get(), "TYPE", &name, nullptr) == 0)
		return name;
	if (blkid_probe_lookup_value(probe.get(), "PTTYPE", &name, nullptr) == 0)
		return std::string{name} + " partition table";
	return "something";
}

} // namespace snapctl::engine
