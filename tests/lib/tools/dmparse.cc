// SPDX-License-Identifier: GPL-2.0-or-later
//
// What libdevmapper's own parser, the one LVM2 relies on, makes of the status
// parameters of a snapshot or snapshot-merge target.
#include "base.h"

#include <cinttypes>
#include <cstdio>
#include <iostream>

#include <libdevmapper.h>

using namespace tools;

namespace {

constexpr const char *usage_text =
	"usage: dmparse PARAMS...   or the params on stdin, one line\n"
	"The params are what follows `START LENGTH TARGET` in `dmsetup status`.\n"
	"Prints key=value lines; 1 when libdevmapper refuses the text.\n";

void quiet(int, const char *, int, int, const char *, ...)
{
}

int body(const std::vector<std::string> &args)
{
	std::string params;
	if (args.empty()) {
		std::getline(std::cin, params);
	} else {
		for (const std::string &arg : args)
			params += (params.empty() ? "" : " ") + arg;
	}

	dm_log_with_errno_init(quiet);
	const std::unique_ptr<dm_pool, void (*)(dm_pool *)> pool(dm_pool_create("dmparse", 1024), dm_pool_destroy);
	if (!pool)
		throw std::bad_alloc();
	dm_status_snapshot *status = nullptr;
	if (!dm_get_status_snapshot(pool.get(), params.c_str(), &status) || !status) {
		std::cerr << "dmparse: refused: " << params << "\n";
		return exit_failed;
	}
	std::printf("used_sectors=%" PRIu64 "\ntotal_sectors=%" PRIu64 "\nmetadata_sectors=%" PRIu64 "\n"
		    "has_metadata_sectors=%u\ninvalid=%u\nmerge_failed=%u\noverflow=%u\n",
		    status->used_sectors, status->total_sectors, status->metadata_sectors,
		    unsigned{status->has_metadata_sectors}, unsigned{status->invalid},
		    unsigned{status->merge_failed}, unsigned{status->overflow});
	std::fflush(stdout);
	return exit_done;
}

} // namespace

int main(int argc, char **argv)
{
	return run_tool("dmparse", usage_text, argc, argv, body);
}
