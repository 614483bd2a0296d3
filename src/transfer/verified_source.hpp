// SPDX-License-Identifier: Apache-2.0
// Bytes that are not handed on as a whole unless they are what they should be.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/stream.hpp"
#include "base/tasks.hpp"
#include "oci/digest.hpp"

namespace lade::transfer {

// data_loss, at the first byte too many or at the end: they have not this size or this digest. `what` names them in
// errors. A stop ends it, too.
class VerifiedSource final : public Source {
public:
    VerifiedSource(std::unique_ptr<Source> inner, oci::Digest digest, std::uint64_t size, std::string what,
                   std::stop_token stop)
        : inner_(std::move(inner)),
          digest_(std::move(digest)),
          size_(size),
          what_(std::move(what)),
          stop_(std::move(stop)),
          hasher_(digest_.algorithm()) {}

    std::size_t read(std::span<std::byte> into) override {
        check_stop(stop_);
        const std::size_t n = inner_->read(into);
        seen_ += n;
        if (seen_ > size_)
            throw Error(ErrorKind::data_loss, what_, ": it has more than its ", size_, " bytes");
        if (n == 0 && seen_ < size_)
            throw Error(ErrorKind::data_loss, what_, ": it has ", seen_, " bytes, not ", size_);
        hasher_.update(into.first(n));
        if (n == 0)
            if (const oci::Digest found = hasher_.so_far(); found != digest_)
                throw Error(ErrorKind::data_loss, what_, ": its content has digest ", found);
        return n;
    }

private:
    std::unique_ptr<Source> inner_;
    oci::Digest digest_;
    std::uint64_t size_;
    std::string what_;
    std::stop_token stop_;
    oci::Hasher hasher_;
    std::uint64_t seen_ = 0;
};

} // namespace lade::transfer
