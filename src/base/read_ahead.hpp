// SPDX-License-Identifier: Apache-2.0
// A source that is read in a thread of its own, ahead of whoever needs its bytes.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>

#include "base/pipe.hpp"
#include "base/stream.hpp"
#include "base/tasks.hpp"

namespace lade {

class ReadAhead final : public Source {
public:
    // Up to `capacity` bytes of `inner`, which must outlive it and is nobody else's meanwhile. What reading throws is
    // met behind the bytes that came before. Error cancelled when stop is requested.
    ReadAhead(Source& inner, std::size_t capacity, std::stop_token stop);
    std::size_t read(std::span<std::byte> into) override { return pipe_.read(into, stop_); }

private:
    Pipe pipe_;
    std::stop_token stop_;
    TaskGroup task_; // last: it ends before what it uses
};

} // namespace lade
