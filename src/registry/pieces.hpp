// SPDX-License-Identifier: Apache-2.0
// A blob in pieces that several threads fetch and one delivers in order. What is fetched and not delivered is in
// memory, so it is bounded, however long the pieces are: whoever is too far ahead waits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "base/size.hpp"

namespace lade::registry {

// The bytes [first, end). Its fetcher alone looks at it.
struct Piece {
    std::uint64_t first = 0; // of what is not there yet
    std::uint64_t end = 0;

private:
    friend class Pieces;
    // What is not delivered yet. One vector that grows would at times take its room three times.
    std::deque<std::vector<std::byte>> blocks;
    bool done = false;
};

class Pieces {
public:
    // [first, end) in pieces of `length` bytes; at most `window` times as many are begun and not delivered, and `room`
    // bytes, beside what is added at once, are in memory.
    Pieces(std::uint64_t first, std::uint64_t end, std::uint64_t length, std::size_t window,
           std::uint64_t room = 32 * mib)
        : position_(first), next_(first), end_(end), length_(length), window_(window), room_(room) {}

    // The next piece, for the caller to fetch; it is longer by `factor`. Waits until there is room for it. nullptr: all
    // are taken, or the fetch has ended. Stays valid until finish().
    Piece* next(std::uint64_t factor, const std::stop_token& stop);
    // Its next bytes. Waits until there is room for them, or it is their turn, or the fetch has ended.
    void add(Piece& piece, std::span<const std::byte> bytes, const std::stop_token& stop);
    void finish(Piece& piece);
    // Nothing more is fetched: because of that error, or, without one, because there is another way.
    void end(std::exception_ptr error) noexcept;

    // The next bytes in order, as soon as there are some; none when all are delivered, or nothing more comes. Throws
    // the error that ended the fetch.
    std::vector<std::byte> take(const std::stop_token& stop);
    // Up to where they have been taken.
    std::uint64_t position() const;
    // Whether there are pieces that nobody has begun to fetch.
    bool any_left() const;

private:
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<Piece> pieces_; // begun and not delivered, in order; their addresses are stable
    std::uint64_t position_;
    std::uint64_t next_;
    const std::uint64_t end_;
    const std::uint64_t length_;
    const std::size_t window_;
    const std::uint64_t room_;
    std::uint64_t held_ = 0; // bytes that are in memory
    bool ended_ = false;
    std::exception_ptr error_;
};

} // namespace lade::registry
