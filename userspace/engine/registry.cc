// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/registry.h"

#include <sqlite3.h>

#include "base/error.h"
#include "base/text.h"

namespace snapctl::engine {

namespace {

// In the order of to_fields().
constexpr const char* origin_columns = "name, id, device, dm_name, taken_over, sectors";
constexpr const char* snapshot_columns =
	"name, id, origin, set_name, chunk_sectors, transient, read_only, on_full, kind, place, cow, "
	"created_us, active, stale, merging, merge_bytes, merge_rate, merge_paused, merge_wanted";

constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS origin (
	name TEXT PRIMARY KEY, id TEXT NOT NULL, device TEXT NOT NULL, dm_name TEXT NOT NULL,
	taken_over TEXT NOT NULL, sectors TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshot (
	name TEXT PRIMARY KEY, id TEXT NOT NULL, origin TEXT NOT NULL, set_name TEXT NOT NULL,
	chunk_sectors TEXT NOT NULL, transient TEXT NOT NULL, read_only TEXT NOT NULL, on_full TEXT NOT NULL,
	kind TEXT NOT NULL, place TEXT NOT NULL, cow TEXT NOT NULL, created_us TEXT NOT NULL,
	active TEXT NOT NULL, stale TEXT NOT NULL, merging TEXT NOT NULL, merge_bytes TEXT NOT NULL,
	merge_rate TEXT NOT NULL, merge_paused TEXT NOT NULL, merge_wanted TEXT NOT NULL DEFAULT '0');
CREATE TABLE IF NOT EXISTS journal (
	id INTEGER PRIMARY KEY, what TEXT NOT NULL, commit_at TEXT NOT NULL, boot TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS journal_step (
	journal INTEGER NOT NULL, step INTEGER NOT NULL, code TEXT NOT NULL, args TEXT NOT NULL,
	state TEXT NOT NULL, PRIMARY KEY (journal, step)) WITHOUT ROWID;
)";
constexpr int schema_version = 2;

constexpr const char* on_full_words[] = {"queue", "overflow", "invalidate"};
constexpr const char* kind_words[] = {"file", "volume_group", "device"};
constexpr const char* state_words[] = {"planned", "begun", "done"};

[[noreturn]] void damaged(std::string_view reason)
{
	throw Error{Failure::damaged, "registry", "", reason};
}

std::string flag(bool value) { return value ? "1" : "0"; }
std::string number(std::uint64_t value) { return std::to_string(value); }

// Takes fields one after the other.
class Reader {
public:
	Reader(const Fields& fields, std::size_t count) : fields_{fields}
	{
		if (fields.size() != count)
			damaged("a row has the wrong number of fields");
	}
	std::string text() { return fields_[at_++]; }
	std::uint64_t number()
	{
		const auto value = parse_number(fields_[at_]);
		if (!value)
			damaged("'" + fields_[at_] + "' is not a number");
		at_++;
		return *value;
	}
	bool flag() { return number() != 0; }
	template <class Enum, std::size_t count>
	Enum word(const char* const (&words)[count])
	{
		for (std::size_t i = 0; i < count; i++)
			if (fields_[at_] == words[i]) {
				at_++;
				return static_cast<Enum>(i);
			}
		damaged("'" + fields_[at_] + "' is not a word that is known");
	}

private:
	const Fields& fields_;
	std::size_t at_ = 0;
};

class Statement {
public:
	Statement(sqlite3* database, const std::string& sql) : database_{database}
	{
		if (sqlite3_prepare_v2(database, sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK)
			fail();
	}
	Statement(const Statement&) = delete;
	Statement& operator=(const Statement&) = delete;
	~Statement() { sqlite3_finalize(statement_); }

	void bind(const Fields& values)
	{
		for (std::size_t i = 0; i < values.size(); i++)
			if (sqlite3_bind_text(statement_, static_cast<int>(i) + 1, values[i].data(),
					      static_cast<int>(values[i].size()), SQLITE_TRANSIENT) != SQLITE_OK)
				fail();
	}
	bool step()
	{
		const int result = sqlite3_step(statement_);
		if (result != SQLITE_ROW && result != SQLITE_DONE)
			fail();
		return result == SQLITE_ROW;
	}
	Fields row()
	{
		Fields fields;
		for (int i = 0; i < sqlite3_column_count(statement_); i++) {
			const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, i));
			fields.emplace_back(text != nullptr ? text : "", static_cast<std::size_t>(sqlite3_column_bytes(statement_, i)));
		}
		return fields;
	}

private:
	[[noreturn]] void fail()
	{
		throw Error{Failure::failed, "registry", "", sqlite3_errmsg(database_)};
	}
	sqlite3* database_;
	sqlite3_stmt* statement_ = nullptr;
};

std::string marks(std::size_t count)
{
	std::string text = "?";
	for (std::size_t i = 1; i < count; i++)
		text += ", ?";
	return text;
}

} // namespace

Fields to_fields(const OriginRow& row)
{
	return {row.name, row.id, row.device, row.dm_name, flag(row.taken_over), number(row.sectors)};
}

OriginRow origin_from_fields(const Fields& fields)
{
	Reader read{fields, 6};
	OriginRow row;
	row.name = read.text();
	row.id = read.text();
	row.device = read.text();
	row.dm_name = read.text();
	row.taken_over = read.flag();
	row.sectors = read.number();
	return row;
}

Fields to_fields(const SnapshotRow& row)
{
	return {row.name, row.id, row.origin, row.set, number(row.chunk_sectors), flag(row.transient),
		flag(row.read_only), on_full_words[static_cast<std::size_t>(row.on_full)],
		kind_words[static_cast<std::size_t>(row.kind)], row.where, row.cow, number(row.created_us),
		flag(row.active), flag(row.stale), flag(row.merging), number(row.merge_bytes),
		number(row.merge_rate), flag(row.merge_paused), flag(row.merge_wanted)};
}

SnapshotRow snapshot_from_fields(const Fields& fields)
{
	// The journal of an older version has one less.
	Reader read{fields, fields.size() == 18 ? 18u : 19u};
	SnapshotRow row;
	row.name = read.text();
	row.id = read.text();
	row.origin = read.text();
	row.set = read.text();
	row.chunk_sectors = read.number();
	row.transient = read.flag();
	row.read_only = read.flag();
	row.on_full = read.word<OnFull>(on_full_words);
	row.kind = read.word<SpaceKind>(kind_words);
	row.where = read.text();
	row.cow = read.text();
	row.created_us = read.number();
	row.active = read.flag();
	row.stale = read.flag();
	row.merging = read.flag();
	row.merge_bytes = read.number();
	row.merge_rate = read.number();
	row.merge_paused = read.flag();
	row.merge_wanted = fields.size() > 18 && read.flag();
	return row;
}

std::string pack(const Fields& fields)
{
	std::string text;
	for (const std::string& field : fields)
		text += std::to_string(field.size()) + ":" + field;
	return text;
}

Fields unpack(std::string_view text)
{
	Fields fields;
	while (!text.empty()) {
		const auto colon = text.find(':');
		const auto length = colon == std::string_view::npos ? std::nullopt : parse_number(text.substr(0, colon));
		if (!length || *length > text.size() - colon - 1)
			damaged("a list of fields cannot be read");
		fields.emplace_back(text.substr(colon + 1, *length));
		text.remove_prefix(colon + 1 + *length);
	}
	return fields;
}

void Registry::Close::operator()(sqlite3* database) const noexcept { sqlite3_close(database); }

Registry::Registry(const std::string& path)
{
	sqlite3* database = nullptr;
	const int result = sqlite3_open_v2(path.c_str(), &database,
					   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
	database_.reset(database);
	if (result != SQLITE_OK)
		throw Error{Failure::failed, "registry", path, sqlite3_errmsg(database)};
	sqlite3_busy_timeout(database, 5000);
	// A second daemon must not work with the same registry.
	run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
	    "PRAGMA temp_store = MEMORY;");
	const auto version = parse_number(query("PRAGMA user_version", {}).at(0).at(0)).value_or(0);
	if (version > schema_version)
		throw Error{Failure::unsupported, "registry", path, "a newer snapctl wrote it", "use that one"};
	const std::string newer = version == 1 ? "ALTER TABLE journal ADD COLUMN boot TEXT NOT NULL DEFAULT '';"
						 "ALTER TABLE snapshot ADD COLUMN merge_wanted TEXT NOT NULL DEFAULT '0';" : "";
	run(("BEGIN IMMEDIATE;" + newer + schema + "PRAGMA user_version = " +
	     std::to_string(schema_version) + "; COMMIT;").c_str());
}

void Registry::run(const char* sql)
{
	char* message = nullptr;
	if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, &message) == SQLITE_OK)
		return;
	const std::string reason = message != nullptr ? message : "SQLite failed";
	sqlite3_free(message);
	// Within a transaction that did not come to its end.
	if (sqlite3_get_autocommit(database_.get()) == 0)
		sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
	throw Error{Failure::failed, "registry", "", reason};
}

std::vector<Fields> Registry::query(const std::string& sql, const Fields& values)
{
	Statement statement{database_.get(), sql};
	statement.bind(values);
	std::vector<Fields> rows;
	while (statement.step())
		rows.push_back(statement.row());
	return rows;
}

std::vector<OriginRow> Registry::origins()
{
	std::vector<OriginRow> rows;
	for (const Fields& fields : query(std::string{"SELECT "} + origin_columns + " FROM origin ORDER BY name", {}))
		rows.push_back(origin_from_fields(fields));
	return rows;
}

std::vector<SnapshotRow> Registry::snapshots()
{
	std::vector<SnapshotRow> rows;
	for (const Fields& fields : query(std::string{"SELECT "} + snapshot_columns + " FROM snapshot ORDER BY name", {}))
		rows.push_back(snapshot_from_fields(fields));
	return rows;
}

std::optional<OriginRow> Registry::origin(const std::string& name)
{
	const auto rows = query(std::string{"SELECT "} + origin_columns + " FROM origin WHERE name = ?", {name});
	return rows.empty() ? std::nullopt : std::optional{origin_from_fields(rows[0])};
}

std::optional<SnapshotRow> Registry::snapshot(const std::string& name)
{
	const auto rows = query(std::string{"SELECT "} + snapshot_columns + " FROM snapshot WHERE name = ?", {name});
	return rows.empty() ? std::nullopt : std::optional{snapshot_from_fields(rows[0])};
}

void Registry::put(const OriginRow& row)
{
	const Fields fields = to_fields(row);
	(void)query(std::string{"INSERT OR REPLACE INTO origin ("} + origin_columns + ") VALUES (" + marks(fields.size()) + ")", fields);
}

void Registry::put(const SnapshotRow& row)
{
	const Fields fields = to_fields(row);
	(void)query(std::string{"INSERT OR REPLACE INTO snapshot ("} + snapshot_columns + ") VALUES (" + marks(fields.size()) + ")", fields);
}

void Registry::remove_origin(const std::string& name) { (void)query("DELETE FROM origin WHERE name = ?", {name}); }
void Registry::remove_snapshot(const std::string& name) { (void)query("DELETE FROM snapshot WHERE name = ?", {name}); }

std::int64_t Registry::begin(const Journal& journal)
{
	run("BEGIN IMMEDIATE");
	try {
		(void)query("INSERT INTO journal (what, commit_at, boot) VALUES (?, ?, ?)", {journal.what, number(journal.commit), journal.boot});
		const std::int64_t id = sqlite3_last_insert_rowid(database_.get());
		for (std::size_t i = 0; i < journal.steps.size(); i++)
			(void)query("INSERT INTO journal_step (journal, step, code, args, state) VALUES (CAST(? AS INTEGER), CAST(? AS INTEGER), ?, ?, 'planned')",
				    {std::to_string(id), number(i), journal.steps[i].code, pack(journal.steps[i].args)});
		run("COMMIT");
		return id;
	} catch (const std::exception&) {
		if (sqlite3_get_autocommit(database_.get()) == 0)
			sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
		throw;
	}
}

void Registry::set_state(std::int64_t journal, std::size_t step, JournalStep::State state)
{
	(void)query("UPDATE journal_step SET state = ? WHERE journal = CAST(? AS INTEGER) AND step = CAST(? AS INTEGER)",
		    {state_words[static_cast<std::size_t>(state)], std::to_string(journal), number(step)});
}

void Registry::end(std::int64_t journal)
{
	run(("BEGIN IMMEDIATE; DELETE FROM journal_step WHERE journal = " + std::to_string(journal) +
	     "; DELETE FROM journal WHERE id = " + std::to_string(journal) + "; COMMIT").c_str());
}

std::vector<Journal> Registry::open_journals()
{
	std::vector<Journal> journals;
	for (const Fields& row : query("SELECT id, what, commit_at, boot FROM journal ORDER BY id", {})) {
		Reader read{row, 4};
		Journal journal;
		journal.id = static_cast<std::int64_t>(read.number());
		journal.what = read.text();
		journal.commit = read.number();
		journal.boot = read.text();
		for (const Fields& step : query("SELECT code, args, state FROM journal_step WHERE journal = CAST(? AS INTEGER) ORDER BY step", {row[0]})) {
			Reader its{step, 3};
			JournalStep read_step;
			read_step.code = its.text();
			read_step.args = unpack(its.text());
			read_step.state = its.word<JournalStep::State>(state_words);
			journal.steps.push_back(std::move(read_step));
		}
		journals.push_back(std::move(journal));
	}
	return journals;
}

} // namespace snapctl::engine
