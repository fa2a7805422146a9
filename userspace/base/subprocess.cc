// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/subprocess.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace snapctl {

namespace {

constexpr std::size_t output_limit = std::size_t{1} << 20;

std::string find_program(const std::string& name)
{
	if (name.find('/') != std::string::npos)
		return name;
	for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
		std::string path = folder + name;
		if (::access(path.c_str(), X_OK) == 0)
			return path;
	}
	throw Error{Failure::not_found, "run", name, "there is no such program",
		    "install the package that has it"};
}

struct Pipe {
	UniqueFd read, write;
	Pipe()
	{
		int fds[2];
		if (::pipe2(fds, O_CLOEXEC) != 0)
			throw Error::from_errno(errno, "run", "pipe");
		read = UniqueFd{fds[0]};
		write = UniqueFd{fds[1]};
	}
};

struct SpawnActions {
	posix_spawn_file_actions_t actions;
	SpawnActions() { ::posix_spawn_file_actions_init(&actions); }
	SpawnActions(const SpawnActions&) = delete;
	SpawnActions& operator=(const SpawnActions&) = delete;
	~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions); }
};

struct SpawnAttributes {
	posix_spawnattr_t attributes;
	SpawnAttributes()
	{
		::posix_spawnattr_init(&attributes);
		// Whatever the daemon blocks or handles is not for its children.
		sigset_t none, all;
		sigemptyset(&none);
		sigfillset(&all);
		::posix_spawnattr_setsigmask(&attributes, &none);
		::posix_spawnattr_setsigdefault(&attributes, &all);
		::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	}
	SpawnAttributes(const SpawnAttributes&) = delete;
	SpawnAttributes& operator=(const SpawnAttributes&) = delete;
	~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes); }
};

// Ends and reaps the child, unless that was done.
class Child {
public:
	explicit Child(pid_t pid) : pid_{pid} {}
	Child(const Child&) = delete;
	Child& operator=(const Child&) = delete;
	~Child()
	{
		if (pid_ > 0) {
			::kill(pid_, SIGKILL);
			(void)wait();
		}
	}
	int wait()
	{
		int status = 0;
		while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
			;
		pid_ = -1;
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}

private:
	pid_t pid_;
};

// False at the end of the pipe.
bool drain(const UniqueFd& fd, std::string& into)
{
	char buffer[4096];
	const ssize_t got = ::read(fd.get(), buffer, sizeof(buffer));
	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	const std::size_t room = output_limit - into.size();
	into.append(buffer, std::min(static_cast<std::size_t>(got), room));
	return got > 0;
}

} // namespace

ProgramResult run_program(const std::vector<std::string>& argv, std::chrono::milliseconds limit)
{
	const std::string path = find_program(argv.at(0));
	std::vector<char*> arguments;
	for (const std::string& word : argv)
		arguments.push_back(const_cast<char*>(word.c_str()));
	arguments.push_back(nullptr);
	char locale[] = "LC_ALL=C", search[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	// LVM2 complains about descriptors it did not open.
	char quiet[] = "LVM_SUPPRESS_FD_WARNINGS=1";
	// Whoever runs without udev told us so; LVM2's commands must know, too.
	char no_udev[] = "DM_DISABLE_UDEV=1";
	char* environment[] = {locale, search, quiet, std::getenv("DM_DISABLE_UDEV") != nullptr ? no_udev : nullptr, nullptr};

	Pipe output, errors;
	SpawnActions spawn;
	::posix_spawn_file_actions_addopen(&spawn.actions, 0, "/dev/null", O_RDONLY, 0);
	::posix_spawn_file_actions_adddup2(&spawn.actions, output.write.get(), 1);
	::posix_spawn_file_actions_adddup2(&spawn.actions, errors.write.get(), 2);
	::posix_spawn_file_actions_addclosefrom_np(&spawn.actions, 3);
	SpawnAttributes attributes;
	pid_t pid = -1;
	const int failed = ::posix_spawn(&pid, path.c_str(), &spawn.actions, &attributes.attributes,
					 arguments.data(), environment);
	if (failed != 0)
		throw Error::from_errno(failed, "run", path);
	Child child{pid};
	output.write.reset();
	errors.write.reset();

	ProgramResult result;
	const auto deadline = std::chrono::steady_clock::now() + limit;
	bool more_output = true, more_errors = true;
	while (more_output || more_errors) {
		const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
			deadline - std::chrono::steady_clock::now());
		if (left.count() <= 0)
			throw Error{Failure::failed, "run", join(argv, " "),
				    "it did not end in time and was killed"};
		pollfd fds[2] = {{more_output ? output.read.get() : -1, POLLIN, 0},
				 {more_errors ? errors.read.get() : -1, POLLIN, 0}};
		if (::poll(fds, 2, static_cast<int>(left.count())) < 0 && errno != EINTR)
			throw Error::from_errno(errno, "run", path);
		if (fds[0].revents != 0)
			more_output = drain(output.read, result.output);
		if (fds[1].revents != 0)
			more_errors = drain(errors.read, result.errors);
	}
	result.status = child.wait();
	return result;
}

} // namespace snapctl
