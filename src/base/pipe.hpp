// SPDX-License-Identifier: Apache-2.0
// Bytes from a thread that pushes to one that pulls, a bounded number of them on the way.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "base/stream.hpp"

namespace lade {

class Pipe {
public:
    explicit Pipe(std::size_t capacity) : ring_(capacity) {}

    // Takes all of `bytes`, waiting for the reader where there is no room; Error cancelled when stop is requested.
    void write(std::span<const std::byte> bytes, const std::stop_token& stop);
    // The last of the writer: nothing follows, or what the reader is to meet behind the bytes that are on the way.
    void close();
    void fail(std::exception_ptr error);

    // Fills some of `into`, 0 at the end; throws what the writer failed with. Error cancelled when stop is requested.
    std::size_t read(std::span<std::byte> into, const std::stop_token& stop);

private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<std::byte> ring_;
    std::size_t begin_ = 0;
    std::size_t filled_ = 0;
    bool closed_ = false;
    std::exception_ptr error_;
};

// The writer's end as a sink.
class PipeSink final : public Sink {
public:
    PipeSink(Pipe& pipe, const std::stop_token& stop) : pipe_(pipe), stop_(stop) {}
    void write(std::span<const std::byte> bytes) override { pipe_.write(bytes, stop_); }

private:
    Pipe& pipe_;
    const std::stop_token& stop_;
};

} // namespace lade
