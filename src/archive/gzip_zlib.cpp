// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include <utility>

#include "archive/gzip.hpp"
#include "archive/input.hpp"
#include "base/error.hpp"

namespace lade::archive {

namespace {

class ZlibGunzip final : public Source {
public:
    explicit ZlibGunzip(Source& compressed) : input_(compressed) {
        constexpr int gzip_only = 16 + MAX_WBITS;
        if (inflateInit2(&state_, gzip_only) != Z_OK)
            throw Error(ErrorKind::resource_exhausted, "gzip: no memory for the decoder");
    }
    ~ZlibGunzip() override { inflateEnd(&state_); }
    ZlibGunzip(const ZlibGunzip&) = delete;
    ZlibGunzip& operator=(const ZlibGunzip&) = delete;

    std::size_t read(std::span<std::byte> into) override {
        while (!done_) {
            const auto in = input_.peek();
            if (in.empty()) {
                if (!between_members_)
                    throw Error(ErrorKind::data_loss, "gzip: cut short");
                done_ = true;
                break;
            }
            if (std::exchange(between_members_, false))
                member_start_.expect();
            member_start_.check(in);
            // zlib takes a pointer to mutable input and does not write to it.
            state_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
            state_.avail_in = static_cast<uInt>(in.size());
            state_.next_out = reinterpret_cast<Bytef*>(into.data());
            state_.avail_out = static_cast<uInt>(into.size());
            const int result = inflate(&state_, Z_NO_FLUSH);
            input_.consume(in.size() - state_.avail_in);
            const std::size_t n = into.size() - state_.avail_out;
            if (result == Z_STREAM_END) {
                between_members_ = true;
                inflateReset(&state_);
            } else if (result == Z_MEM_ERROR) {
                throw Error(ErrorKind::resource_exhausted, "gzip: no memory for the decoder");
            } else if (result != Z_OK && result != Z_BUF_ERROR) {
                throw Error(ErrorKind::data_loss, "gzip: ", state_.msg == nullptr ? "corrupt" : state_.msg);
            }
            if (n > 0)
                return n;
        }
        return 0;
    }

private:
    Input input_;
    MemberStart member_start_;
    z_stream state_{};
    bool between_members_ = false;
    bool done_ = false;
};

} // namespace

std::unique_ptr<Source> gunzip_zlib(Source& compressed) {
    return std::make_unique<ZlibGunzip>(compressed);
}

} // namespace lade::archive
