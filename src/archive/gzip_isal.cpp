// SPDX-License-Identifier: Apache-2.0
#include <isa-l/igzip_lib.h>

#include "archive/gzip.hpp"
#include "archive/input.hpp"
#include "base/error.hpp"

namespace lade::archive {

namespace {

class IsalGunzip final : public Source {
public:
    explicit IsalGunzip(Source& compressed) : input_(compressed), state_(std::make_unique<inflate_state>()) {
        start_member();
    }

    std::size_t read(std::span<std::byte> into) override {
        while (!done_) {
            const auto in = input_.peek();
            if (in.empty() && between_members_) {
                done_ = true;
                break;
            }
            if (between_members_) {
                start_member();
                member_start_.expect();
            }
            member_start_.check(in);
            state_->next_in = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(in.data()));
            state_->avail_in = static_cast<std::uint32_t>(in.size());
            state_->next_out = reinterpret_cast<std::uint8_t*>(into.data());
            state_->avail_out = static_cast<std::uint32_t>(into.size());
            const int result = isal_inflate(state_.get());
            input_.consume(in.size() - state_->avail_in);
            const std::size_t n = into.size() - state_->avail_out;
            if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT)
                throw Error(ErrorKind::data_loss,
                            "gzip: ", result == ISAL_INCORRECT_CHECKSUM ? "incorrect data check" : "corrupt");
            between_members_ = state_->block_state == ISAL_BLOCK_FINISH;
            // Decoded bytes may still wait inside the state: only a step that neither takes nor gives anything
            // tells that the stream was cut.
            if (in.empty() && n == 0 && !between_members_)
                throw Error(ErrorKind::data_loss, "gzip: cut short");
            if (n > 0)
                return n;
        }
        return 0;
    }

private:
    void start_member() {
        isal_inflate_init(state_.get());
        state_->crc_flag = ISAL_GZIP;
        between_members_ = false;
    }

    Input input_;
    MemberStart member_start_;
    std::unique_ptr<inflate_state> state_;
    bool between_members_ = false;
    bool done_ = false;
};

} // namespace

std::unique_ptr<Source> gunzip_isal(Source& compressed) {
    return std::make_unique<IsalGunzip>(compressed);
}

} // namespace lade::archive
