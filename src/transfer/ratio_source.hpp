// SPDX-License-Identifier: Apache-2.0
// The limit of what a layer may become when it is decoded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stop_token>
#include <utility>

#include "archive/budget.hpp"
#include "base/error.hpp"
#include "base/stream.hpp"
#include "base/tasks.hpp"

namespace lade::transfer {

// A layer's tar on its way out of the decoder. An archive bomb ends here, however few of its bytes are files:
// resource_exhausted when there is more than `ratio` (1 at least) times the `compressed` size (and
// archive::ratio_free). A stop ends it, too.
class RatioSource final : public Source {
public:
    RatioSource(Source& inner, std::uint64_t compressed, std::uint64_t ratio, std::stop_token stop)
        : inner_(inner),
          ratio_(ratio),
          left_(std::max(archive::ratio_free, compressed <= UINT64_MAX / ratio ? compressed * ratio : UINT64_MAX)),
          stop_(std::move(stop)) {}
    std::size_t read(std::span<std::byte> into) override {
        // However long what nobody writes to a file is: padding, what follows the end.
        check_stop(stop_);
        const std::size_t n = inner_.read(into);
        if (n > left_)
            throw Error(ErrorKind::resource_exhausted, "more than ", ratio_, " times its compressed size");
        left_ -= n;
        return n;
    }

private:
    Source& inner_;
    std::uint64_t ratio_;
    std::uint64_t left_;
    std::stop_token stop_;
};

} // namespace lade::transfer
