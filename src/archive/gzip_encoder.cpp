// SPDX-License-Identifier: Apache-2.0
#include "archive/gzip_encoder.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <span>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"

namespace lade::archive {

namespace {

constexpr std::size_t piece_size = 256 * kib;
constexpr std::size_t window_size = 32 * kib;
constexpr std::size_t most_pieces = 1024; // of one thread

Bytef* bytes_of(const std::string& text) {
    // zlib takes pointers to mutable input and does not write to it.
    return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

std::array<char, 10> header_of(int level) {
    const char flag = level == Z_BEST_COMPRESSION ? '\2' : level == Z_BEST_SPEED ? '\4' : '\0';
    return {'\x1f', '\x8b', '\x08', 0, 0, 0, 0, 0, flag, '\x03'};
}

} // namespace

class GzipEncoder::Deflater {
public:
    explicit Deflater(int level) {
        constexpr int raw = -MAX_WBITS;
        constexpr int memory = 8;
        if (deflateInit2(&state_, level, Z_DEFLATED, raw, memory, Z_DEFAULT_STRATEGY) != Z_OK)
            throw Error(ErrorKind::resource_exhausted, "gzip: no memory for the encoder");
    }
    ~Deflater() { deflateEnd(&state_); }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;

    Encoded run(const Piece& from) {
        const std::string& data = from.data;
        Encoded piece{.bytes = {},
                      .sum = crc32(0, bytes_of(data), static_cast<uInt>(data.size())),
                      .size = data.size(),
                      .first = from.first,
                      .last = from.last};
        deflateReset(&state_);
        if (!from.window.empty())
            deflateSetDictionary(&state_, bytes_of(from.window), static_cast<uInt>(from.window.size()));
        // The end of a piece takes a few bytes more than the bound knows of.
        piece.bytes.resize(deflateBound(&state_, static_cast<uLong>(data.size())) + 16);
        state_.next_in = bytes_of(data);
        state_.avail_in = static_cast<uInt>(data.size());
        state_.next_out = reinterpret_cast<Bytef*>(piece.bytes.data());
        state_.avail_out = static_cast<uInt>(piece.bytes.size());
        const int result = deflate(&state_, from.last ? Z_FINISH : Z_SYNC_FLUSH);
        if (result != (from.last ? Z_STREAM_END : Z_OK) || state_.avail_in > 0 || state_.avail_out == 0)
            throw Error(ErrorKind::internal, "gzip: a piece did not fit");
        piece.bytes.resize(piece.bytes.size() - state_.avail_out);
        return piece;
    }

private:
    z_stream state_{};
};

GzipEncoder::GzipEncoder(Sink& into, int level, std::function<void()> member_begins)
    : into_(into),
      level_(level),
      member_begins_(std::move(member_begins)),
      most_(std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 16)) {}

void GzipEncoder::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        inside_ = true;
        if (data_.size() == piece_size)
            cut(false);
        const auto part = bytes.first(std::min(bytes.size(), piece_size - data_.size()));
        data_.append(as_text(part));
        bytes = bytes.subspan(part.size());
    }
}

void GzipEncoder::end_member() {
    if (std::exchange(inside_, false))
        cut(true);
}

void GzipEncoder::flush() {
    end_member();
    start();
    while (!running_.empty())
        pass_on();
}

void GzipEncoder::finish() {
    if (!inside_ && !any_)
        cut(true);
    flush();
}

void GzipEncoder::cut(bool last) {
    any_ = true;
    std::string window;
    if (!last && data_.size() >= window_size)
        window.append(as_text(as_bytes(data_).last(window_size)));
    batch_size_ += data_.size();
    batch_.push_back(
        {.window = std::move(window_), .data = std::move(data_), .first = std::exchange(first_, last), .last = last});
    window_ = std::move(window);
    data_.clear();
    if (batch_size_ >= piece_size || batch_.size() >= most_pieces)
        start();
}

void GzipEncoder::start() {
    if (batch_.empty())
        return;
    if (running_.size() >= most_)
        pass_on();
    batch_size_ = 0;
    running_.push_back(std::async(std::launch::async, [batch = std::exchange(batch_, {}), level = level_] {
        Deflater deflater(level);
        std::vector<Encoded> encoded;
        encoded.reserve(batch.size());
        for (const Piece& piece : batch)
            encoded.push_back(deflater.run(piece));
        return encoded;
    }));
}

void GzipEncoder::pass_on() {
    const std::vector<Encoded> batch = running_.front().get();
    running_.pop_front();
    for (const Encoded& piece : batch) {
        if (piece.first) {
            if (member_begins_)
                member_begins_();
            const auto header = header_of(level_);
            into_.write(std::as_bytes(std::span(header)));
            sum_ = 0;
            size_ = 0;
        }
        sum_ = crc32_combine(sum_, piece.sum, static_cast<z_off_t>(piece.size));
        size_ += piece.size;
        into_.write(piece.bytes);
        if (!piece.last)
            continue;
        std::array<std::byte, 8> trailer{};
        for (unsigned i = 0; i < 4; ++i) {
            trailer.at(i) = static_cast<std::byte>(sum_ >> (8 * i) & 0xffU);
            trailer.at(i + 4) = static_cast<std::byte>(size_ >> (8 * i) & 0xffU);
        }
        into_.write(trailer);
    }
}

int gzip_level(std::optional<int> level, std::string_view media_type) {
    return level_within(level, Z_BEST_COMPRESSION, Z_DEFAULT_COMPRESSION, media_type);
}

} // namespace lade::archive
