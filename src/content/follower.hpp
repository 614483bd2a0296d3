// SPDX-License-Identifier: Apache-2.0
// Reading a blob while it is written: the ingest's file is the pipe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>

#include "base/fd.hpp"
#include "base/stream.hpp"

namespace lade::content {

// How far the writer of an ingest is; what its followers wait on. Shared by one writer and any number of
// followers, hence shared_ptr: a follower may outlive the writer.
class Tail {
public:
    void advance(std::uint64_t written);
    void verified();
    void failed();
    // Waits until more than `position` bytes are there or the ingest ended; the number of bytes there.
    // Error cancelled when the writer failed (its own error is the one to show) or stop was requested.
    std::uint64_t wait(std::uint64_t position, const std::stop_token& stop);

private:
    enum class State { writing, verified, failed };
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::uint64_t written_ = 0;
    State state_ = State::writing;
};

// Reads behind the writer. Its end comes only after the digest matched.
class Follower final : public Source {
public:
    Follower(Fd data, std::shared_ptr<Tail> tail, std::stop_token stop)
        : data_(std::move(data)), tail_(std::move(tail)), stop_(std::move(stop)) {}
    std::size_t read(std::span<std::byte> into) override;

private:
    Fd data_;
    std::shared_ptr<Tail> tail_;
    std::stop_token stop_;
    std::uint64_t position_ = 0;
    std::uint64_t available_ = 0;
};

} // namespace lade::content
