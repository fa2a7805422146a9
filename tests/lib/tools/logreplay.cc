// SPDX-License-Identifier: GPL-2.0-or-later
//
// Lists and replays the log of dm-log-writes.
#include "base.h"
#include "write_log.h"

#include <cinttypes>
#include <cstdio>

using namespace tools;

namespace {

constexpr const char *usage_text =
	"usage: logreplay list LOG\n"
	"       logreplay points LOG\n"
	"       logreplay replay LOG --to DEV [--start A] [--end B | --entries B] [--drop SEED [--tear]]\n"
	"list: INDEX SECTOR NR_SECTORS FLAGS [MARK] for each entry, sectors of 512 bytes.\n"
	"points: N KIND [MARK] for each flush, FUA write and mark; N entries bring a disk behind it.\n"
	"replay: entries A (0) to before B (all). --drop: a crash after B entries, where of the writes since\n"
	"the last flush only some arrived, and with --tear some in part. DEV must hold the first A entries and\n"
	"A must not lie behind that flush (see `flush` in the output). DEV cannot be continued from then.\n";

class DeviceTarget : public ReplayTarget {
public:
	explicit DeviceTarget(const std::string &path) : file_(path, Access::write) {}
	void write(std::uint64_t sector, std::span<const std::byte> data) override
	{
		file_.write(sector * sector_bytes, data);
	}
	void zero(std::uint64_t sector, std::uint64_t nr_sectors) override
	{
		file_.zero(sector * sector_bytes, nr_sectors * sector_bytes);
	}
	void flush() { file_.flush(); }

private:
	BlockFile file_;
};

int list(const WriteLog &log, const Options &)
{
	for (std::size_t i = 0; i < log.entries().size(); i++) {
		const LogEntry &entry = log.entries()[i];
		std::printf("%zu %" PRIu64 " %" PRIu64 " %s%s%s\n", i, entry.sector, entry.nr_sectors,
			    log_flags_text(entry.flags).c_str(), entry.mark.empty() ? "" : " ", entry.mark.c_str());
	}
	return exit_done;
}

int points(const WriteLog &log, const Options &)
{
	for (std::size_t i = 0; i < log.entries().size(); i++) {
		const LogEntry &entry = log.entries()[i];
		if (entry.is_point())
			std::printf("%zu %s%s%s\n", i + 1, log_flags_text(entry.flags).c_str(),
				    entry.mark.empty() ? "" : " ", entry.mark.c_str());
	}
	return exit_done;
}

int replay(const WriteLog &log, const Options &options)
{
	const std::size_t start = options.number("start", 0);
	const std::size_t end = options.number(options.has("end") ? "end" : "entries", log.entries().size());
	if (start > end || end > log.entries().size())
		throw UsageError("the log has " + std::to_string(log.entries().size()) + " entries");
	if (options.has("tear") && !options.has("drop"))
		throw UsageError("--tear needs --drop");
	DeviceTarget target(options.need("to"));
	if (!options.has("drop")) {
		replay_entries(log, start, end, target);
		target.flush();
		std::printf("replayed %zu to %zu\n", start, end);
		return exit_done;
	}
	const std::size_t flush = last_flush(log, end);
	if (start > flush)
		throw UsageError("--start must not be behind entry " + std::to_string(flush) + ", the last flush");
	replay_entries(log, start, flush, target);
	const auto pieces = crash_state(log, end, options.number("drop", 0), options.has("tear"));
	for (const LogPiece &piece : pieces)
		replay_piece(log, piece, target);
	target.flush();
	std::printf("replayed %zu to flush %zu, then %zu pieces up to %zu\n", start, flush, pieces.size(), end);
	return exit_done;
}

int body(const std::vector<std::string> &args)
{
	const Options options(args, {"to", "start", "end", "entries", "drop"}, {"tear"});
	static const std::map<std::string, int (*)(const WriteLog &, const Options &)> verbs = {
		{"list", list}, {"points", points}, {"replay", replay}};
	if (options.positional().size() != 2 || !verbs.contains(options.positional()[0]))
		throw UsageError("a verb and a LOG expected");
	const WriteLog log(options.positional()[1]);
	const int code = verbs.at(options.positional()[0])(log, options);
	std::fflush(stdout);
	return code;
}

} // namespace

int main(int argc, char **argv)
{
	return run_tool("logreplay", usage_text, argc, argv, body);
}
