// SPDX-License-Identifier: GPL-2.0-or-later
#include <chrono>

#include "base/text.h"
#include "cli/output.h"
#include "cli/rows.h"
#include "cli/session.h"
#include "ipc/client.h"
#include "ipc/names.h"

namespace snapctl::cli {

namespace {

void print_event(Session& session, const engine::Event& event)
{
	auto& out = session.terminal.out;
	if (session.json()) {
		auto json = json_document();
		json["event"] = json_row(event_columns(), event);
		print_json_line(out, json);
	} else {
		out << text_of(event.when) << "  " << ipc::name_of(event.kind) << "  " << event.device;
		if (event.usage)
			out << "  " << format_percent(percent_of(event.usage->allocated, event.usage->total)) << " of "
			    << format_bytes_rounded(event.usage->total);
		if (event.fill_rate)
			out << "  " << format_bytes_rounded(*event.fill_rate) << "/s";
		if (!event.text.empty())
			out << "  " << event.text;
		out << '\n';
	}
	out.flush(); // whoever reads a pipe wants it now
}

} // namespace

int run_watch(Session& session)
{
	std::optional<std::uint64_t> left;
	if (const auto count = session.invocation.get("count")) {
		left = parse_number(*count);
		if (!left)
			throw UsageError("--count: a number is expected");
	}
	session.client().watch();
	while (!left || *left > 0) {
		const auto event = session.client().next_event(std::chrono::hours{1});
		if (!event)
			continue;
		if (!session.invocation.operands.empty() && event->device != session.operand(0) &&
		    event->origin != session.operand(0))
			continue;
		print_event(session, *event);
		if (!session.terminal.out)
			return failed; // nobody reads any more
		if (left)
			--*left;
	}
	return done;
}

} // namespace snapctl::cli
