// SPDX-License-Identifier: Apache-2.0
// gzip on all cores, as one member or as many in a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "archive/compress.hpp"

namespace lade::archive {

// Pieces of a fixed size, each compressed on its own with what came before it in the member as its dictionary: how many
// threads do so makes no difference to the bytes. Short members share a thread.
class GzipEncoder final : public Compressor {
public:
    // `level` as zlib has it. `member_begins` is called, by whoever writes, when all bytes before a member's first have
    // been passed on to `into`.
    GzipEncoder(Sink& into, int level, std::function<void()> member_begins = {});

    void write(std::span<const std::byte> bytes) override;
    // What is written next begins a member of its own. There are no empty ones.
    void end_member();
    // Ends the member, too; what was written is all passed on then.
    void flush();
    // Also of nothing at all one member is made.
    void finish() override;

private:
    struct Piece {
        std::string window; // what came before it
        std::string data;
        bool first = false; // of its member
        bool last = false;
    };
    struct Encoded {
        std::vector<std::byte> bytes; // raw deflate, ending at a byte
        unsigned long sum = 0;
        std::size_t size = 0; // of what it was made of
        bool first = false;
        bool last = false;
    };
    class Deflater;

    void cut(bool last);
    void start();
    void pass_on();

    Sink& into_;
    int level_;
    std::function<void()> member_begins_;
    std::string data_;
    std::string window_; // the end of the piece before
    bool inside_ = false;
    bool first_ = true;
    bool any_ = false;
    std::vector<Piece> batch_;
    std::size_t batch_size_ = 0;
    std::size_t most_;
    std::deque<std::future<std::vector<Encoded>>> running_; // in order
    unsigned long sum_ = 0;
    std::uint64_t size_ = 0;
};

// zlib's level for what people ask for; as level_within() has it.
int gzip_level(std::optional<int> level, std::string_view media_type);

} // namespace lade::archive
