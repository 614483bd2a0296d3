// SPDX-License-Identifier: Apache-2.0
// One blob into one repository, by whatever way its registry takes (registry-and-unpack.md 2.10, 2.12): mounted from
// another repository, whole in one PUT, or in pieces, of which a break costs no more than one where the registry says
// what it has of them. Debian's does not know its upload any more after a PATCH that was cut: all goes again.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "base/size.hpp"
#include "oci/manifest.hpp"
#include "registry/blob_content.hpp"
#include "registry/channel.hpp"
#include "registry/retry.hpp"

namespace lade::registry {

// Large enough that what a piece costs beyond its bytes does not count, small enough that a break does not either.
inline constexpr std::uint64_t default_piece = 64 * mib;

enum class UploadResult { uploaded, mounted, exists };

class Upload {
public:
    // What is given outlives it. A blob of at most `piece_size` bytes goes in one PUT, a larger one in pieces of that.
    // `completion`: how long the reply to its last request may take.
    Upload(Channel& channel, const oci::Descriptor& blob, BlobContent& content, std::uint64_t piece_size,
           std::chrono::milliseconds completion, Attempts attempts, const std::stop_token& stop)
        : channel_(channel),
          blob_(blob),
          completion_(completion),
          attempts_(attempts),
          stop_(stop),
          content_(content, blob),
          piece_(piece_size),
          in_pieces_(blob.size > piece_size) {}

    // Asks first whether the registry has it. `mount_from` is a repository of the registry that may have it, or "".
    // What has begun and cannot be ended is taken back, as far as the registry lets it. Errors as Pusher::upload.
    UploadResult run(std::string mount_from);

private:
    bool exists();
    // Begins an upload; true when the blob is mounted instead.
    bool start();
    bool mount(const std::string& from);
    void send();
    // Each is true when the blob is there. False: it was refused in a way that the other one may cure.
    bool send_whole();
    bool send_pieces();

    // After a break: where to go on. False when nothing is left to go on with.
    bool resume();
    // Smaller pieces after a 413; false when there are none.
    bool narrow();
    void take_location(const Channel::Answer& answer);
    void take_range(const Channel::Answer& answer, std::uint64_t otherwise);
    [[noreturn]] void lose(const Channel::Answer& answer);
    void cancel() noexcept;
    Channel::Answer ask(const Channel::Ask& ask, const std::stop_token& stop);
    Url completing_url() const;

    Channel& channel_;
    const oci::Descriptor& blob_;
    const std::chrono::milliseconds completion_;
    const Attempts attempts_;
    const std::stop_token& stop_;
    CheckedContent content_;

    std::string mount_from_;
    std::optional<Url> location_; // of the upload under way
    std::uint64_t taken_ = 0;     // what the registry has of it
    std::uint64_t most_ = 0;      // that it ever had
    std::uint64_t piece_;
    std::uint64_t least_piece_ = 1 * mib;
    bool in_pieces_;
    bool changed_way_ = false;
};

} // namespace lade::registry
