// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "base/config.h"
#include "base/mounts.h"
#include "cli/output.h"
#include "cli/rows.h"
#include "cli/session.h"
#include "ipc/client.h"

namespace snapctl::cli {

namespace {

using engine::Finding;

bool is_problem(const Finding& finding) { return finding.level == Finding::Level::problem; }

void print_as_text(std::ostream& out, const std::vector<Finding>& findings)
{
	for (const auto& finding : findings) {
		constexpr const char* marks[] = {"good     ", "hint     ", "PROBLEM  "};
		out << marks[static_cast<std::size_t>(finding.level)] << finding.what << '\n';
		if (!finding.advice.empty())
			out << "         -> " << finding.advice << '\n';
	}
}

void print_findings(Session& session, const std::vector<Finding>& findings)
{
	if (!session.json())
		return print_as_text(session.terminal.out, findings);
	auto json = json_document();
	json["findings"] = json_rows(finding_columns(), findings);
	print_json(session.terminal.out, json);
}

void look_at_state(std::vector<Finding>& findings)
{
	const Config config = load_config();
	if (const auto point = fstab_mount_of(config.state_directory))
		findings.push_back({Finding::Level::problem,
				    "the registry " + config.state_directory + " is on " + *point + ", which is mounted when volumes should be active already",
				    advice_on_state(config)});
}

int print_activation_plan(Session& session)
{
	auto& out = session.terminal.out;
	const auto plan = session.client().plan_activate_all();
	if (session.json()) {
		auto json = json_document();
		json["plan"] = json_rows(step_columns(), plan.steps);
		json["findings"] = json_rows(finding_columns(), plan.findings);
		print_json(out, json);
	} else {
		print_steps(out, plan.steps);
		print_as_text(out, plan.findings);
	}
	return std::ranges::any_of(plan.findings, is_problem) ? failed : done;
}

} // namespace

int run_activate_all(Session& session)
{
	// The daemon would be started by our asking, and it would wait, with us, for a file system that
	// waits for us.
	if (session.asks_default_daemon())
		check_state_is_mounted(load_config());
	if (session.dry_run())
		return print_activation_plan(session);
	const auto findings = session.client().activate_all();
	print_findings(session, findings);
	return std::ranges::any_of(findings, is_problem) ? failed : done;
}

int run_doctor(Session& session)
{
	std::vector<Finding> findings;
	int code = done;
	try {
		const auto hello = session.client().hello();
		findings = session.client().doctor();
		if (hello.version != version)
			findings.push_back({Finding::Level::hint,
					    "the daemon is version " + hello.version + ", this is " + version,
					    "systemctl restart snapctl"});
		if (session.asks_default_daemon())
			look_at_state(findings);
	} catch (const ipc::Unreachable& error) {
		findings.push_back({Finding::Level::problem, error.what(), error.advice()});
		code = unreachable;
	}
	if (code == done && std::ranges::any_of(findings, is_problem))
		code = damage;
	print_findings(session, findings);
	return code;
}

} // namespace snapctl::cli
