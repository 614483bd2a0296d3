// SPDX-License-Identifier: Apache-2.0
// The only door to SQLite. One connection per process, used by one thread at a time: a Statement holds the
// connection's lock while it lives, a Transaction until it ends, so no other thread's rows get in between.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/locks.hpp"
#include "base/text.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace lade::meta {

class Database;

namespace detail {
struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
};
using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;
} // namespace detail

// A prepared statement in use: bound at construction, stepped by next(), reset by the destructor. NULL
// binds from and reads as nullopt; a Time is stored as nanoseconds since the epoch.
class Statement {
public:
    ~Statement();
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    // True when there is a row. Busy, full, corrupt and every other failure is thrown, never returned.
    bool next();

    std::string text(int column) const;
    // As text(), without a copy: valid until next().
    std::string_view view(int column) const;
    std::optional<std::string> optional_text(int column) const;
    std::int64_t integer(int column) const;
    std::optional<std::int64_t> optional_integer(int column) const;
    Time time(int column) const;

private:
    friend class Database;
    Statement(Database& database, std::string sql);
    template <typename... Values>
    requires(sizeof...(Values) > 0) Statement(Database& database, std::string sql, const Values&... values)
        : Statement(database, std::move(sql)) {
        int index = 0;
        (bind(++index, values), ...);
    }

    void bind(int index, std::string_view value);
    void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
    void bind(int index, const char* value) { bind(index, std::string_view(value)); }
    void bind(int index, std::int64_t value);
    void bind(int index, std::uint64_t value) { bind(index, static_cast<std::int64_t>(value)); }
    void bind(int index, Time value) { bind(index, std::int64_t{value.time_since_epoch().count()}); }
    void bind_null(int index);
    template <typename T>
    void bind(int index, const std::optional<T>& value) {
        if (value)
            bind(index, *value);
        else
            bind_null(index);
    }

    Database& database_;
    std::unique_lock<std::recursive_mutex> lock_;
    std::string sql_;
    detail::Prepared statement_;
};

// Who else may have the database while we do.
enum class Sharing {
    shared, // any number of processes
    alone,  // nobody: others wait until it is closed. Needs no file of shared memory, for which a full disk has no room
    read_only, // others may write, we cannot
    frozen,    // nobody can write: it lies on a file system that is read-only for all, with an empty log
};

class Database {
public:
    // Opens or creates the file (mode 0600). WAL where shared memory is to be had, a rollback journal
    // elsewhere; synchronous=FULL unless `durable` is false; foreign keys on. Not a database, or a damaged
    // one: data_loss; no room on the disk: resource_exhausted. While another process holds the file every call waits,
    // at the end of the patience it is unavailable and names the holder; soon after `stop` is requested it is cancelled
    // instead.
    Database(const std::string& path, bool durable, Patience patience = {}, std::stop_token stop = {},
             Sharing sharing = Sharing::shared);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // Each text is prepared once per connection and used again; a nested use of one text gets its own.
    template <typename... Values>
    Statement query(std::string sql, const Values&... values) {
        return Statement(*this, std::move(sql), values...);
    }

    // Runs a statement that gives no rows; returns how many rows it changed.
    template <typename... Values>
    std::int64_t run(std::string sql, const Values&... values) {
        Statement statement = query(std::move(sql), values...);
        statement.next();
        return changes();
    }

    // What the transaction under way does last of all, once; a rollback forgets it. One such work at a time.
    void before_commit(void (*work)(Database&)) noexcept { before_commit_ = work; }

    // Any number of statements without values, e.g. a schema.
    void execute(const std::string& sql);
    std::int64_t last_id() const;
    const std::string& path() const noexcept { return path_; }
    bool is_alone() const noexcept { return sharing_ == Sharing::alone; }
    bool is_writable() const noexcept { return sharing_ == Sharing::shared || sharing_ == Sharing::alone; }

    // From now on keeps more of the file in memory, so that a transaction that changes much of it need not write pages
    // more than once.
    void expect_many_changes();

    // Makes the journal a write-ahead log, which stays with the file: not before the file is known to be ours.
    void use_wal();

private:
    friend class Statement;
    friend class Transaction;
    friend class ReadTransaction;
    friend class NoWaiting;
    bool may_wait();
    std::string holders() const;
    static int on_busy(void* database, int tries) noexcept;
    std::int64_t changes() const;
    [[noreturn]] void fail_locked() const;
    [[noreturn]] void fail(std::string_view what) const;

    struct Close {
        void operator()(sqlite3* connection) const noexcept;
    };

    using Clock = std::chrono::steady_clock;

    int open_connection(sqlite3** connection) const;

    std::string path_;
    Patience patience_;
    std::function<std::string()> holders_ = [this] { return holders(); };
    std::optional<LockWait> wait_;
    std::string in_the_way_; // at the end of the patience
    std::stop_token stop_;
    Sharing sharing_;
    bool waits_ = true;
    std::optional<Clock::time_point> stopped_at_;
    void (*before_commit_)(Database&) = nullptr;
    std::recursive_mutex mutex_;
    std::unique_ptr<sqlite3, Close> connection_;
    std::unordered_map<std::string, detail::Prepared> idle_;
};

// All that is read while it lives is of one moment. Waits for nobody, and nobody for it. Not nested.
class ReadTransaction {
public:
    explicit ReadTransaction(Database& database);
    ~ReadTransaction();
    ReadTransaction(const ReadTransaction&) = delete;
    ReadTransaction& operator=(const ReadTransaction&) = delete;

private:
    Database& database_;
    std::unique_lock<std::recursive_mutex> lock_;
};

// BEGIN IMMEDIATE; rolled back by the destructor unless committed. Not nested.
class Transaction {
public:
    explicit Transaction(Database& database);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit();

private:
    Database& database_;
    std::unique_lock<std::recursive_mutex> lock_;
    bool open_ = true;
};

// While it lives a database that another process holds is unavailable at once: for what is not worth a wait.
class NoWaiting {
public:
    explicit NoWaiting(Database& database) : database_(database), lock_(database.mutex_) { database_.waits_ = false; }
    ~NoWaiting() { database_.waits_ = true; }
    NoWaiting(const NoWaiting&) = delete;
    NoWaiting& operator=(const NoWaiting&) = delete;

private:
    Database& database_;
    std::unique_lock<std::recursive_mutex> lock_;
};

} // namespace lade::meta
