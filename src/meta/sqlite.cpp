// SPDX-License-Identifier: Apache-2.0
#include "meta/sqlite.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/tasks.hpp"

namespace lade::meta {

namespace {

// What a stopped command undoes may need the database too, and gets this long in all.
constexpr std::chrono::milliseconds wait_after_stop{300};
constexpr std::chrono::milliseconds busy_pause{5};

// Where SQLite puts its locks: the writer's, the checkpointer's and the recoverer's on the -shm file of a write-ahead
// log; the writer's and the readers' on the database itself, where a closing process or another journal takes them.
constexpr ByteRange wal_locks{.first = 120, .last = 122};
constexpr ByteRange file_locks{.first = 0x40000000, .last = 0x40000000 + 511};

// What the system said; 0 where SQLite does not know, or remembers what it said of something else.
int errno_behind(sqlite3* connection, int code) {
    switch (code & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return sqlite3_system_errno(connection);
    case SQLITE_FULL:
        return ENOSPC;
    default:
        return 0;
    }
}

ErrorKind kind_of(int code, int system) {
    if (const ErrorKind kind = kind_of_errno(system);
        kind == ErrorKind::resource_exhausted || kind == ErrorKind::permission_denied)
        return kind;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: // lost the race for the log's locks too often
        return ErrorKind::unavailable;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_IOERR:
        return ErrorKind::data_loss;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
        return ErrorKind::resource_exhausted;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return ErrorKind::permission_denied;
    default:
        return ErrorKind::internal;
    }
}

} // namespace

void Database::Close::operator()(sqlite3* connection) const noexcept {
    sqlite3_close_v2(connection);
}

void detail::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
    sqlite3_finalize(statement);
}

Database::Database(const std::string& path, bool durable, Patience patience, std::stop_token stop, Sharing sharing)
    : path_(path), patience_(std::move(patience)), stop_(std::move(stop)), sharing_(sharing) {
    // SQLite would create the file 0644 less the umask; its -wal and -shm take after the file.
    if (!find_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW))
        open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    sqlite3* connection = nullptr;
    const int opened = open_connection(&connection);
    connection_.reset(connection);
    if (opened != SQLITE_OK)
        fail("open");
    sqlite3_extended_result_codes(connection, 1);
    sqlite3_busy_handler(connection, &Database::on_busy, this);
    // Before the first look at the file, which decides where the index of its log is.
    if (sharing_ == Sharing::alone)
        execute("PRAGMA locking_mode = EXCLUSIVE");
    execute(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF");
    execute("PRAGMA foreign_keys = ON");
    // KiB. Listings jump from table to table; what does not fit is read again and again.
    execute("PRAGMA cache_size = -16384");
}

int Database::open_connection(sqlite3** connection) const {
    if (is_writable())
        return sqlite3_open_v2(path_.c_str(), connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::string uri = "file:";
    constexpr std::string_view digits = "0123456789abcdef";
    for (const char c : path_) {
        const auto byte = static_cast<unsigned char>(c);
        const std::array<char, 3> escaped{'%', digits[byte >> 4U], digits[byte & 0xfU]};
        if (c == '?' || c == '#' || c == '%')
            uri.append(escaped.data(), escaped.size());
        else
            uri += c;
    }
    if (sharing_ == Sharing::frozen)
        uri += "?immutable=1";
    return sqlite3_open_v2(uri.c_str(), connection, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                           nullptr);
}

// Unlike everything else, the change of the journal's mode does not wait for other processes by itself: when
// several make the store at the same time, all but one find it locked.
void Database::use_wal() {
    for (int tries = 0;; ++tries) {
        try {
            Statement journal = query("PRAGMA journal_mode = WAL");
            journal.next();
            return;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::unavailable)
                throw;
            if (on_busy(this, tries) == 0)
                fail_locked();
        }
    }
}

void Database::expect_many_changes() {
    execute("PRAGMA cache_size = -65536");
}

bool Database::may_wait() {
    const auto time = Clock::now();
    if (!stop_.stop_requested())
        return wait_->goes_on();
    if (!stopped_at_)
        stopped_at_ = time;
    return time - *stopped_at_ < wait_after_stop;
}

std::string Database::holders() const {
    std::string found;
    struct stat st {};
    for (const auto& [path, range] : {std::pair(path_ + "-shm", wal_locks), std::pair(path_, file_locks)})
        if (::stat(path.c_str(), &st) == 0 && (found = lock_holders(st.st_dev, st.st_ino, range)) != unknown_holder)
            return found;
    return std::string(unknown_holder);
}

int Database::on_busy(void* database, int tries) noexcept {
    auto& self = *static_cast<Database*>(database);
    if (!self.waits_)
        return 0;
    if (tries == 0)
        self.wait_.emplace(self.patience_, self.holders_);
    if (!self.may_wait()) {
        // Now, while they hold it.
        self.in_the_way_ = self.holders_();
        return 0;
    }
    std::this_thread::sleep_for(busy_pause);
    return 1;
}

Database::~Database() = default;

void Database::execute(const std::string& sql) {
    const std::scoped_lock lock(mutex_);
    if (sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
        fail("execute");
}

std::int64_t Database::last_id() const {
    return sqlite3_last_insert_rowid(connection_.get());
}

std::int64_t Database::changes() const {
    return sqlite3_changes64(connection_.get());
}

void Database::fail_locked() const {
    check_stop(stop_);
    throw Error(ErrorKind::unavailable, "metadata ", path_, ": locked by ",
                in_the_way_.empty() ? unknown_holder : in_the_way_);
}

void Database::fail(std::string_view what) const {
    const int code = connection_ ? sqlite3_extended_errcode(connection_.get()) : SQLITE_NOMEM;
    const int system = connection_ ? errno_behind(connection_.get(), code) : 0;
    const ErrorKind kind = kind_of(code, system);
    if (kind == ErrorKind::unavailable)
        fail_locked();
    // It wants the shared memory of those who write.
    if (sharing_ == Sharing::read_only && (code & 0xff) == SQLITE_CANTOPEN)
        throw Error(ErrorKind::permission_denied, "metadata ", path_,
                    ": on a read-only mount of a file system that others may write it can be read only while one of "
                    "them has it open");
    // SQLite's "disk I/O error" of a full disk sounds like a broken one.
    if (system != 0 && kind == kind_of_errno(system))
        throw Error(kind, "metadata ", path_, ": ", what, ": ", errno_text(system));
    throw Error(kind, "metadata ", path_, ": ", what, ": ",
                connection_ ? sqlite3_errmsg(connection_.get()) : "out of memory");
}

Statement::Statement(Database& database, std::string sql)
    : database_(database), lock_(database.mutex_), sql_(std::move(sql)) {
    if (const auto idle = database_.idle_.find(sql_); idle != database_.idle_.end())
        statement_ = std::move(idle->second);
    if (statement_)
        return;
    sqlite3_stmt* prepared = nullptr;
    if (sqlite3_prepare_v3(database_.connection_.get(), sql_.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &prepared,
                           nullptr) != SQLITE_OK)
        database_.fail("prepare");
    statement_.reset(prepared);
}

Statement::~Statement() {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
    database_.idle_[std::move(sql_)] = std::move(statement_);
}

bool Statement::next() {
    switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
        return true;
    case SQLITE_DONE:
        return false;
    default:
        database_.fail("query");
    }
}

std::string Statement::text(int column) const {
    return optional_text(column).value_or("");
}

std::string_view Statement::view(int column) const {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    if (bytes == nullptr)
        return {};
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::optional<std::string> Statement::optional_text(int column) const {
    if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL)
        return std::nullopt;
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    return std::string(bytes == nullptr ? "" : bytes,
                       static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::optional<std::int64_t> Statement::optional_integer(int column) const {
    if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL)
        return std::nullopt;
    return integer(column);
}

Time Statement::time(int column) const {
    return Time(std::chrono::nanoseconds(integer(column)));
}

void Statement::bind(int index, std::string_view value) {
    if (sqlite3_bind_text(statement_.get(), index, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT) !=
        SQLITE_OK)
        database_.fail("bind");
}

void Statement::bind(int index, std::int64_t value) {
    if (sqlite3_bind_int64(statement_.get(), index, value) != SQLITE_OK)
        database_.fail("bind");
}

void Statement::bind_null(int index) {
    if (sqlite3_bind_null(statement_.get(), index) != SQLITE_OK)
        database_.fail("bind");
}

ReadTransaction::ReadTransaction(Database& database) : database_(database), lock_(database.mutex_) {
    database_.execute("BEGIN");
}

ReadTransaction::~ReadTransaction() {
    sqlite3_exec(database_.connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

Transaction::Transaction(Database& database) : database_(database), lock_(database.mutex_) {
    database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
    if (!open_)
        return;
    database_.before_commit_ = nullptr;
    sqlite3_exec(database_.connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
    if (auto* const work = std::exchange(database_.before_commit_, nullptr))
        work(database_);
    database_.execute("COMMIT");
    open_ = false;
}

} // namespace lade::meta
