// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/locks.hpp"
#include "unit/temporary.hpp"

using namespace lade;

namespace {

const Patience none{.limit = std::chrono::nanoseconds(0), .tell = {}};

std::string failure(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        return error.message();
    }
    return "";
}

} // namespace

TEST_SUITE("base") {
    TEST_CASE("a lock keeps others out until its holder goes") {
        const test::TemporaryDirectory dir;
        const auto open = [&] { return open_at(AT_FDCWD, dir.path("lock"), O_RDWR | O_CREAT, 0600); };
        auto held = FileLock::try_acquire(open(), LockMode::exclusive);
        REQUIRE(held);
        CHECK_FALSE(FileLock::try_acquire(open(), LockMode::shared));
        held.reset();
        CHECK(FileLock::try_acquire(open(), LockMode::shared));
    }

    TEST_CASE("waiting for a lock ends when it is asked to") {
        const test::TemporaryDirectory dir;
        const auto open = [&] { return open_at(AT_FDCWD, dir.path("lock"), O_RDWR | O_CREAT, 0600); };
        const auto held = FileLock::try_acquire(open(), LockMode::exclusive);
        std::stop_source source;
        source.request_stop();
        CHECK_THROWS_AS(FileLock::acquire(open(), LockMode::exclusive, {}, source.get_token()), Error);
        const RangeLock range = RangeLock::acquire(open(), 42, {}, {});
        CHECK_THROWS_AS(RangeLock::acquire(open(), 42, {}, source.get_token()), Error);
        CHECK_NOTHROW(RangeLock::acquire(open(), 77, {}, source.get_token()));
    }

    TEST_CASE("an impatient wait names the holder, whatever the kind of lock") {
        const test::TemporaryDirectory dir;
        const auto open = [&] { return open_at(AT_FDCWD, dir.path("lock"), O_RDWR | O_CREAT, 0600); };
        const std::string us = cat("locked by process ", ::getpid(), " (unit-base");
        const auto held = FileLock::try_acquire(open(), LockMode::exclusive);
        CHECK(failure([&] { FileLock::acquire(open(), LockMode::shared, none, {}); }).starts_with(us));
        const RangeLock range = RangeLock::acquire(open(), 42, none, {});
        CHECK(failure([&] { RangeLock::acquire(open(), 42, none, {}); }).starts_with(us));
        CHECK_NOTHROW(RangeLock::acquire(open(), 77, none, {}));
    }

    TEST_CASE("only those who hold a part are named, and unknown ones as such") {
        const test::TemporaryDirectory dir;
        const Fd file = open_at(AT_FDCWD, dir.path("lock"), O_RDWR | O_CREAT, 0600);
        struct stat st {};
        REQUIRE(::fstat(file.get(), &st) == 0);
        CHECK(lock_holders(st.st_dev, st.st_ino) == unknown_holder);
        struct flock range {};
        range.l_type = F_WRLCK;
        range.l_whence = SEEK_SET;
        range.l_start = 120;
        range.l_len = 1;
        REQUIRE(::fcntl(file.get(), F_SETLK, &range) == 0);
        CHECK(lock_holders(st.st_dev, st.st_ino, {.first = 121, .last = 130}) == unknown_holder);
        CHECK(lock_holders(st.st_dev, st.st_ino, {.first = 100, .last = 120}) != unknown_holder);
    }

    TEST_CASE("a wait goes on when the lock comes free") {
        const test::TemporaryDirectory dir;
        const auto open = [&] { return open_at(AT_FDCWD, dir.path("lock"), O_RDWR | O_CREAT, 0600); };
        auto held = FileLock::try_acquire(open(), LockMode::exclusive);
        std::jthread other([&] { CHECK_NOTHROW(FileLock::acquire(open(), LockMode::exclusive, {}, {})); });
        held.reset();
    }
}
