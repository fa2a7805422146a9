// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/test/unit_test.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <future>
#include <random>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "fake_engine.h"
#include "ipc/client.h"
#include "ipc/convert.h"
#include "ipc/frame.h"
#include "ipc/server.h"

using namespace snapctl;
using namespace snapctl::ipc;
using std::chrono::milliseconds;

namespace {

// A server in a thread of its own, on a socket in a temporary folder.
struct Fixture {
	std::filesystem::path folder = [] {
		std::string name = "/tmp/snapctl-test.XXXXXX";
		BOOST_REQUIRE(mkdtemp(name.data()));
		return name;
	}();
	std::string path = folder / "socket";
	test::FakeEngine engine;
	Service service{engine, Access{getuid(), std::nullopt}, {"1.2.3", "fake"}};
	boost::asio::io_context io;
	std::unique_ptr<Server> server;
	std::thread thread;
	int handled = 0;

	void start(Limits limits = {})
	{
		server = std::make_unique<Server>(io, service, listen_at(path, std::nullopt), limits,
						  [this] { handled++; });
		thread = std::thread{[this] { io.run(); }};
	}
	// Runs f in the server's thread and waits for it.
	template <class F> auto in_server(F f)
	{
		std::packaged_task<decltype(f())()> task{f};
		auto result = task.get_future();
		boost::asio::post(io, [&task] { task(); });
		return result.get();
	}
	void stop()
	{
		if (!thread.joinable())
			return;
		in_server([this] { server.reset(); });
		thread.join();
	}
	~Fixture()
	{
		stop();
		std::filesystem::remove_all(folder);
	}
	[[nodiscard]] UniqueFd connect_raw() const
	{
		UniqueFd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
		sockaddr_un address{};
		address.sun_family = AF_UNIX;
		std::memcpy(address.sun_path, path.c_str(), path.size());
		BOOST_REQUIRE(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
		return fd;
	}
};

void put(const UniqueFd& fd, std::string_view bytes)
{
	(void)send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

// Everything until the other side hangs up, which it must within ten seconds.
std::string read_to_end(const UniqueFd& fd)
{
	std::string all;
	char bytes[4096];
	for (;;) {
		pollfd entry{fd.get(), POLLIN, 0};
		BOOST_REQUIRE_MESSAGE(poll(&entry, 1, 10'000) == 1, "the connection is still open");
		const ssize_t n = recv(fd.get(), bytes, sizeof(bytes), 0);
		if (n <= 0)
			return all;
		all.append(bytes, static_cast<std::size_t>(n));
	}
}

std::string code_in(const std::string& bytes)
{
	BOOST_REQUIRE(bytes.size() > header_size);
	return Json::parse(bytes.substr(header_size)).at("error").at("code").get<std::string>();
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(server, Fixture)

BOOST_AUTO_TEST_CASE(client_and_server_understand_each_other)
{
	start();
	Client client{path};
	BOOST_TEST(client.hello().version == "1.2.3");
	BOOST_TEST(client.hello().engine == "fake");
	BOOST_TEST(client.origins().at(0).name == "vol");
	BOOST_TEST(client.snapshots().at(0).name == "monday");
	BOOST_TEST(client.doctor().at(0).advice == "sleep");
	BOOST_TEST(client.counters().at(0).values.at(0).first == "copies");
	BOOST_TEST(client.metrics().ends_with("# EOF\n"));
	BOOST_TEST(client.table("vol").at(0) == "vol: 0 8 linear");
	for (const auto& change : test::all_changes()) {
		BOOST_TEST(client.plan(change).size() == 2u);
		BOOST_TEST(client.apply(change).text == "done");
	}
	BOOST_TEST(client.plan_activate_all().steps.at(0).text == "load it");
	BOOST_TEST(client.plan_activate_all().findings.at(0).advice == "remove it");
	BOOST_TEST(engine.activations == 0);
	BOOST_TEST(client.activate_all().at(0).what == "monday is active");
	stop();
	const auto changes = test::all_changes();
	BOOST_REQUIRE(engine.applied.size() == changes.size());
	for (std::size_t i = 0; i < changes.size(); i++)
		BOOST_TEST((to_json(engine.applied[i]) == to_json(changes[i])));
	BOOST_TEST(handled == 11 + 2 * static_cast<int>(changes.size()));
}

BOOST_AUTO_TEST_CASE(a_refusal_is_an_exception_with_its_advice)
{
	engine.refuses = true;
	start();
	Client client{path};
	BOOST_CHECK_EXCEPTION((void)client.apply(engine::Remove{"monday"}), Declined, [](const Declined& error) {
		return error.code() == "busy" && error.advice() == "Try tomorrow.";
	});
	BOOST_TEST(client.hello().version == "1.2.3"); // and the connection goes on
}

BOOST_AUTO_TEST_CASE(nobody_at_the_socket_is_unreachable)
{
	Client client{path};
	BOOST_CHECK_THROW((void)client.hello(), Unreachable);
	start();
	BOOST_TEST(client.hello().version == "1.2.3");
	stop();
	BOOST_CHECK_THROW((void)client.hello(), Unreachable);
}

BOOST_AUTO_TEST_CASE(the_socket_is_for_its_owner_alone)
{
	start();
	struct stat there{};
	BOOST_REQUIRE(stat(path.c_str(), &there) == 0);
	BOOST_TEST((there.st_mode & 0777) == 0600u);
	// A second daemon does not take it from the first, a stale one is replaced.
	BOOST_CHECK_THROW((void)listen_at(path, std::nullopt), Error);
	stop();
	BOOST_CHECK_NO_THROW((void)listen_at(path, std::nullopt));
	struct stat made{};
	BOOST_TEST(stat(path.c_str(), &made) == 0);
	BOOST_TEST((made.st_mode & 07777) == 0600u);
	open_to(path, getgid());
	BOOST_TEST(stat(path.c_str(), &made) == 0);
	BOOST_TEST((made.st_mode & 07777) == 0660u);
	BOOST_CHECK_THROW(open_to(path + ".not", getgid()), Error);
	std::filesystem::remove(path);
	std::filesystem::create_directory(path);
	BOOST_CHECK_THROW((void)listen_at(path, std::nullopt), Error);
}

BOOST_AUTO_TEST_CASE(watchers_are_sent_events)
{
	start();
	Client first{path}, second{path};
	first.watch();
	second.watch();
	in_server([this] {
		for (int i = 0; i < 3; i++)
			server->broadcast(test::full_event());
	});
	for (Client* client : {&first, &second})
		for (int i = 0; i < 3; i++) {
			const auto event = client->next_event(milliseconds{10'000});
			BOOST_REQUIRE(event);
			BOOST_TEST(event->text == "nearly full");
		}
	BOOST_TEST(!first.next_event(milliseconds{1}));
	stop();
	BOOST_CHECK_THROW((void)first.next_event(milliseconds{10'000}), Unreachable);
}

BOOST_AUTO_TEST_CASE(a_watcher_that_speaks_or_does_not_read_is_cut_off)
{
	Limits limits;
	limits.backlog_bytes = 10'000;
	limits.transfer = milliseconds{60'000};
	start(limits);
	const std::string watch = frame(R"({"v": 1, "id": 1, "method": "watch"})");
	{
		const auto fd = connect_raw();
		put(fd, watch + frame(R"({"v": 1, "id": 2, "method": "hello"})"));
		const std::string got = read_to_end(fd);
		BOOST_TEST(got.find("version") == std::string::npos, got);
	}
	const auto fd = connect_raw();
	put(fd, watch);
	char answer[64];
	BOOST_REQUIRE(recv(fd.get(), answer, sizeof(answer), 0) > 0);
	auto event = test::full_event();
	event.text = std::string(5000, 'x');
	// More than a socket's buffer and the backlog hold.
	in_server([this, &event] {
		for (int i = 0; i < 2000; i++)
			server->broadcast(event);
	});
	in_server([] {});
	(void)read_to_end(fd);
	BOOST_TEST(in_server([this] { return server->connections(); }) == 0u);
}

BOOST_AUTO_TEST_CASE(an_oversized_request_is_answered_and_cut_off)
{
	start();
	for (const char* header : {"\xff\xff\xff\xff", "\x00\x01\x00\x01", "\x00\x00\x00\x00"}) {
		const auto fd = connect_raw();
		put(fd, std::string_view(header, 4));
		BOOST_TEST(code_in(read_to_end(fd)) == "too_large");
	}
	// What follows is not read as another request.
	const auto fd = connect_raw();
	put(fd, std::string("\0\1\0\1", 4) + frame(R"({"v":1,"id":1,"method":"apply","params":{"change":{"kind":"remove","snapshot":"monday"}}})"));
	BOOST_TEST(code_in(read_to_end(fd)) == "too_large");
	stop();
	BOOST_TEST(engine.applied.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_malformed_request_is_answered_and_cut_off)
{
	start();
	const auto fd = connect_raw();
	put(fd, frame("{") + frame(R"({"v":1,"id":1,"method":"apply","params":{"change":{"kind":"remove","snapshot":"monday"}}})"));
	BOOST_TEST(code_in(read_to_end(fd)) == "bad_request");
	stop();
	BOOST_TEST(engine.applied.size() == 0u);
}

BOOST_AUTO_TEST_CASE(slow_requests_and_silence_are_cut_off)
{
	Limits limits;
	limits.idle = milliseconds{50};
	limits.transfer = milliseconds{50};
	start(limits);
	const std::string request =
		frame(R"({"v":1,"id":1,"method":"apply","params":{"change":{"kind":"remove","snapshot":"monday"}}})");
	const auto silent = connect_raw();
	const auto header_only = connect_raw();
	put(header_only, request.substr(0, 3));
	const auto unfinished = connect_raw();
	put(unfinished, request.substr(0, request.size() - 1));
	BOOST_TEST(read_to_end(silent).empty());
	BOOST_TEST(read_to_end(header_only).empty());
	BOOST_TEST(read_to_end(unfinished).empty());
	stop();
	BOOST_TEST(engine.applied.size() == 0u);
}

BOOST_AUTO_TEST_CASE(requests_that_come_in_pieces_or_together_are_answered)
{
	start();
	const auto fd = connect_raw();
	const std::string request = frame(R"({"v":1,"id":1,"method":"hello"})");
	for (const char c : request)
		put(fd, std::string_view(&c, 1));
	put(fd, request + request);
	shutdown(fd.get(), SHUT_WR);
	const std::string all = read_to_end(fd);
	std::size_t count = 0;
	for (std::size_t at = 0; (at = all.find("1.2.3", at)) != std::string::npos; at++)
		count++;
	BOOST_TEST(count == 3u);
}

BOOST_AUTO_TEST_CASE(too_many_connections_are_turned_away_with_a_word)
{
	Limits limits;
	limits.connections = 3;
	limits.reserved = 1;
	start(limits);
	std::vector<UniqueFd> held;
	for (int i = 0; i < 3; i++)
		held.push_back(connect_raw());
	BOOST_TEST(code_in(read_to_end(connect_raw())) == "overloaded");
	held.clear();
	// Their end is noticed, and there is room again.
	std::size_t left = 1;
	for (int i = 0; i < 1000 && left; i++)
		left = in_server([this] { return server->connections(); });
	BOOST_TEST(left == 0u);
	Client client{path};
	BOOST_TEST(client.hello().version == "1.2.3");
}

BOOST_AUTO_TEST_CASE(random_bytes_at_the_socket_break_nothing)
{
	start();
	std::mt19937 random{1};
	for (int round = 0; round < 300; round++) {
		const auto fd = connect_raw();
		std::string bytes(random() % 300, '\0');
		for (char& c : bytes)
			c = static_cast<char>(random());
		if (random() % 2) // so that the length at least is one
			bytes = frame(bytes);
		put(fd, bytes);
		shutdown(fd.get(), SHUT_WR);
		(void)read_to_end(fd);
	}
	Client client{path};
	BOOST_TEST(client.hello().version == "1.2.3");
	stop();
	BOOST_TEST(engine.applied.size() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
