// SPDX-License-Identifier: Apache-2.0
// The two inflaters. Both read the same streams and refuse the same ones; which is used is a matter of
// speed.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "base/error.hpp"
#include "base/stream.hpp"

namespace lade::archive {

// Any number of gzip members in a row as one stream. `compressed` must outlive the result.
std::unique_ptr<Source> gunzip_zlib(Source& compressed);
#ifdef LADE_HAVE_ISAL
std::unique_ptr<Source> gunzip_isal(Source& compressed);
#endif

// Tells a further member from garbage, which decoders call corrupt or cut short.
class MemberStart {
public:
    // A member ended; what comes next must begin as one.
    void expect() noexcept { seen_ = 0; }
    // `input` is what the decoder takes next, all of it as long as it is this short. data_loss: it is no member.
    void check(std::span<const std::byte> input) {
        for (; seen_ < magic.size() && !input.empty(); input = input.subspan(1))
            if (input.front() != magic.at(seen_++))
                throw Error(ErrorKind::data_loss, "gzip: garbage after the last member");
    }

private:
    static constexpr std::array magic{std::byte{0x1f}, std::byte{0x8b}, std::byte{0x08}};
    std::size_t seen_ = magic.size();
};

} // namespace lade::archive
