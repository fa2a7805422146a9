// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/doctor.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "engine/names.h"

namespace snapctl::engine {

namespace {

using Level = Finding::Level;

class Examination {
public:
	explicit Examination(const DoctorsView& view) : view_{view} {}

	std::vector<Finding> run()
	{
		kernel();
		module();
		devices();
		for (const OriginState& origin : view_.origins)
			look(origin);
		for (const SnapshotState& snapshot : view_.snapshots)
			look(snapshot);
		journal();
		shadow();
		return std::move(found_);
	}

private:
	void say(Level level, std::string what, std::string advice = {})
	{
		found_.push_back({level, std::move(what), std::move(advice)});
	}

	void kernel()
	{
		const KernelFacts facts = view_.host.kernel_facts();
		const bool tested = facts.release.starts_with("6.1.") || facts.release.starts_with("6.12.");
		if (!tested)
			say(Level::hint, "snapctl is not tested on the kernel " + facts.release + ", only on 6.1 and 6.12");
		if (!facts.has_mapper)
			say(Level::problem, "the kernel has no device-mapper: there is no /dev/mapper/control", "`modprobe dm-mod`");
		if (!facts.has_loop)
			say(Level::hint, "the kernel has no loop devices, which snapshots with their space in a file need: there is no /dev/loop-control",
			    "`modprobe loop`, or take the space with --vg or --cow");
		if (tested && facts.has_mapper && facts.has_loop)
			say(Level::good, "the kernel " + facts.release + " has all that snapctl needs");
	}

	void module()
	{
		const ModuleFacts facts = view_.host.module_facts();
		const std::string version = facts.version.empty() ? "" : " " + facts.version;
		if (!facts.loaded && !facts.known) {
			say(Level::problem, "there is no dm-snapshot module for this kernel",
			    "build and install ours: `make dkms-install`");
			return;
		}
		if (facts.loaded && facts.ours)
			say(Level::good, "dm-snapshot" + version + " is loaded, snapctl's own");
		else if (facts.loaded)
			say(Level::hint, "the kernel's own dm-snapshot is loaded: it has no low-water event, cannot hold I/O back when a "
			    "snapshot is full, and cannot pause a merge; snapctl looks at the usage four times a second instead, which a fast writer outruns",
			    "install ours (`make dkms-install`), and load it while no snapshot is active: `modprobe -r dm-snapshot; modprobe dm-snapshot`");
		else
			say(facts.ours ? Level::good : Level::hint, "dm-snapshot" + version + " is not loaded; modprobe would load " +
			    (facts.ours ? "snapctl's own" : "the kernel's own"), facts.ours ? "" : "install ours: `make dkms-install`");
		if (facts.stale)
			say(Level::hint, "modprobe would load another dm-snapshot than the one that is loaded: " + facts.path,
			    "load it while no snapshot is active: `modprobe -r dm-snapshot; modprobe dm-snapshot`, or restart");
		if (facts.is_signed && !*facts.is_signed)
			say(Level::hint, facts.path + " is not signed: where the kernel demands signatures (secure boot) it will not load",
			    "sign it with a key that is enrolled: see `mokutil`, and sign_tool in /etc/dkms/framework.conf");
		if (facts.loaded && view_.module_is_ours && !view_.listening)
			say(Level::problem, "the module's events cannot be listened to",
			    "the daemon needs CAP_NET_ADMIN in the first network namespace");
	}

	// Suspended devices, and what has our uuids without being known.
	void devices()
	{
		bool any = false;
		for (const dm::ListedDevice& device : view_.mapper.list()) {
			if (device.name.size() > dm_name_max || !is_dm_text(device.name) || device.name.empty())
				continue;
			const auto info = view_.mapper.info(DmName{device.name});
			if (!info)
				continue;
			if (info->suspended) {
				any = true;
				say(Level::problem, "the device " + device.name + " is suspended: whoever uses it waits",
				    "unless somebody is at work on it, `dmsetup resume " + device.name + "`");
			}
			if (info->uuid.str().starts_with(uuid_prefix) && !is_known(device.name, info->uuid.str()))
				say(Level::problem, "the device " + device.name + " was made by snapctl, but is not in the registry",
				    "if nobody uses it, `dmsetup remove " + device.name + "`");
		}
		if (!any)
			say(Level::good, "no device is suspended");
	}

	bool is_known(const std::string& name, const std::string& uuid) const
	{
		for (const OriginRow& row : view_.registry.origins())
			if (uuid == origin_uuid(row.id).str() || (uuid == inner_uuid(row.id).str() && name == inner_name(row.name).str()))
				return true;
		for (const SnapshotRow& row : view_.registry.snapshots())
			if (uuid == snapshot_uuid(row.id).str())
				return true;
		return false;
	}

	void look(const OriginState& origin)
	{
		if (origin.major_minor.empty())
			say(Level::problem, "the origin " + origin.name + " is not active: " + origin.device,
			    "when its device is there, `snapctl activate --all`");
	}

	void look(const SnapshotState& snapshot)
	{
		const std::string name = "the snapshot " + snapshot.name;
		const std::string forget = "`snapctl remove " + snapshot.name + "` gives its space back";
		switch (snapshot.health) {
		case Health::invalid: say(Level::problem, name + " is lost", forget); break;
		case Health::missing:
			say(Level::problem, name + " cannot be used: its space is not there: " + snapshot.cow_device,
			    "when it is, `snapctl activate --all`; " + forget);
			break;
		case Health::overflow:
			say(Level::problem, name + " is full: it can be read, but not written",
			    "`snapctl extend " + snapshot.name + " 50%`");
			break;
		case Health::waiting:
			say(Level::problem, name + " is full: its I/O, and writes to " + snapshot.origin + ", wait for space",
			    "make room where its space comes from, or `snapctl extend " + snapshot.name + " 50%`");
			break;
		case Health::merge_failed:
			say(Level::problem, "the merge of " + snapshot.name + " failed; `dmesg` has the reason",
			    "`snapctl merge " + snapshot.name + "` tries again");
			break;
		case Health::inactive:
			say(Level::hint, name + " is inactive, which keeps " + snapshot.origin + " read-only",
			    "`snapctl activate " + snapshot.name + "`");
			break;
		case Health::active: {
			if (!snapshot.usage)
				break;
			const Percent used = percent_of(snapshot.usage->allocated, snapshot.usage->total);
			if (used >= Percent{90})
				say(Level::problem, name + " is " + format_percent(used) + " full",
				    "`snapctl extend " + snapshot.name + " 50%`");
			else if (used >= view_.config.threshold && view_.config.threshold > Percent{0})
				say(Level::hint, name + " is " + format_percent(used) + " full");
			break;
		}
		case Health::merging: break;
		}
		if (snapshot.space.kind == SpaceKind::file && snapshot.cow_device.starts_with("/dev/loop")) {
			try {
				if (!view_.host.loop_is_direct(view_.host.block_device(snapshot.cow_device).number))
					say(Level::hint, snapshot.cow_device + " of " + snapshot.name + " works without direct I/O: its file system cannot",
					    "put the space on another file system: `snapctl create --dir`");
			} catch (const Error&) {
				// It went away this moment.
			}
		}
	}

	void journal()
	{
		for (const std::string& line : view_.recovered)
			say(line.starts_with("failed") ? Level::problem : Level::hint, "at the last start of the daemon: " + line,
			    line.starts_with("failed") ? "restart the daemon to try again, and report this" : "");
		for (const Journal& open : view_.registry.open_journals())
			say(Level::problem, "not finished: " + open.what, "restarting the daemon tries again");
	}

	void shadow()
	{
		const std::string other = view_.host.other_snapctl();
		if (!other.empty())
			say(Level::hint, other + " is another program of this name (snapd has one), and may come first in PATH",
			    "call /usr/local/sbin/snapctl or /usr/sbin/snapctl by its path");
	}

	const DoctorsView& view_;
	std::vector<Finding> found_;
};

} // namespace

std::vector<Finding> examine(const DoctorsView& view) { return Examination{view}.run(); }

} // namespace snapctl::engine
