// SPDX-License-Identifier: GPL-2.0-or-later
//
// Stands in for libFuzzer where there is no clang: random inputs, no guidance.
// Understands -max_total_time, -max_len and -artifact_prefix; another argument
// that is a file is run once, as libFuzzer does.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

std::vector<std::uint8_t> current;
std::string artifact = "crash-random";

// On abort(), which is how a target and the sanitizers below end.
void keep_input(int)
{
	const int fd = ::open(artifact.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd >= 0 && ::write(fd, current.data(), current.size()) >= 0)
		::close(fd);
	std::signal(SIGABRT, SIG_DFL);
	std::abort();
}

void make_input(std::mt19937_64 &random, std::size_t max_length)
{
	current.resize(random() % (max_length + 1));
	const std::uint64_t mask = random() % 2 ? 0xff : random() % 256;
	for (auto &byte : current)
		byte = static_cast<std::uint8_t>(random() & (random() % 8 ? mask : 0xff));
}

} // namespace

extern "C" const char *__asan_default_options()
{
	return "abort_on_error=1";
}

extern "C" const char *__ubsan_default_options()
{
	return "abort_on_error=1";
}

int main(int argc, char **argv)
{
	double seconds = 10;
	std::size_t max_length = 4096;
	for (int i = 1; i < argc; i++) {
		const std::string argument = argv[i];
		const auto value = [&](const std::string &name) {
			return argument.starts_with(name) ? argument.substr(name.size()) : std::string();
		};
		if (const auto text = value("-max_total_time="); !text.empty()) {
			seconds = std::stod(text);
		} else if (const auto length = value("-max_len="); !length.empty()) {
			max_length = std::stoul(length);
		} else if (const auto prefix = value("-artifact_prefix="); !prefix.empty()) {
			artifact = prefix + "crash-random";
		} else if (std::ifstream file(argument, std::ios::binary); file && argument[0] != '-' && file.peek() != EOF) {
			current.assign(std::istreambuf_iterator<char>(file), {});
			return LLVMFuzzerTestOneInput(current.data(), current.size());
		}
	}
	std::signal(SIGABRT, keep_input);

	std::mt19937_64 random(std::random_device{}());
	const auto begin = std::chrono::steady_clock::now();
	std::uint64_t nr = 0;
	for (; std::chrono::steady_clock::now() - begin < std::chrono::duration<double>(seconds); nr++) {
		make_input(random, max_length);
		LLVMFuzzerTestOneInput(current.data(), current.size());
	}
	std::printf("stat::number_of_executed_units: %llu\n", static_cast<unsigned long long>(nr));
}
