// SPDX-License-Identifier: GPL-2.0-or-later
//
// How long something takes in device-mapper, without the start of the programs around it.
#include "base.h"

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <thread>

#include <libdevmapper.h>

using namespace tools;

namespace {

constexpr const char *usage_text =
	"usage: dmtime create NAME START LENGTH TARGET PARAMS   makes a device\n"
	"       dmtime merge NAME   resumes a device with a snapshot-merge table, until its merge is done\n"
	"Prints the seconds that it took.\n";

using Clock = std::chrono::steady_clock;
using Task = std::unique_ptr<dm_task, void (*)(dm_task *)>;

Task task_for(int type, const std::string &name)
{
	Task task(dm_task_create(type), dm_task_destroy);
	if (!task || !dm_task_set_name(task.get(), name.c_str()))
		throw std::bad_alloc();
	return task;
}

void run(const Task &task, const std::string &what)
{
	if (!dm_task_run(task.get()))
		throw std::runtime_error("cannot " + what);
}

// What is left of the store but its metadata; throws when the merge cannot end.
std::uint64_t sectors_to_merge(const std::string &name)
{
	const Task task = task_for(DM_DEVICE_STATUS, name);
	run(task, "ask for the status of " + name);
	std::uint64_t start = 0, length = 0;
	char *target = nullptr, *params = nullptr;
	dm_get_next_target(task.get(), nullptr, &start, &length, &target, &params);
	std::uint64_t used = 0, total = 0, metadata = 0;
	if (!params || std::sscanf(params, "%" SCNu64 "/%" SCNu64 " %" SCNu64, &used, &total, &metadata) != 3)
		throw std::runtime_error(name + ": " + (params ? params : "no table"));
	return used - metadata;
}

void merge(const std::string &name)
{
	run(task_for(DM_DEVICE_RESUME, name), "resume " + name);
	while (sectors_to_merge(name))
		std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void create(const std::vector<std::string> &words)
{
	const Task task = task_for(DM_DEVICE_CREATE, words[1]);
	std::string params;
	for (std::size_t i = 5; i < words.size(); i++)
		params += (params.empty() ? "" : " ") + words[i];
	if (!dm_task_add_target(task.get(), std::stoull(words[2]), std::stoull(words[3]), words[4].c_str(),
				params.c_str()))
		throw std::bad_alloc();
	run(task, "make " + words[1]);
}

int body(const std::vector<std::string> &args)
{
	const bool merging = args.size() == 2 && args[0] == "merge";
	if (!merging && !(args.size() > 5 && args[0] == "create"))
		throw UsageError("which verb?");

	const auto start = Clock::now();
	if (merging)
		merge(args[1]);
	else
		create(args);
	std::printf("%.3f\n", std::chrono::duration<double>(Clock::now() - start).count());
	return exit_done;
}

} // namespace

int main(int argc, char **argv)
{
	return run_tool("dmtime", usage_text, argc, argv, body);
}
