// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/unique_fd.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

namespace snapctl {

void UniqueFd::reset() noexcept
{
	if (fd_ >= 0)
		::close(fd_);
	fd_ = -1;
}

UniqueFd open_file(const std::string& path, int flags, const char* context, unsigned mode)
{
	const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
	if (fd < 0)
		throw Error::from_errno(errno, context, path);
	return UniqueFd{fd};
}

} // namespace snapctl
