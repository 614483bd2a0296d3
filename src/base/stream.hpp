// SPDX-License-Identifier: Apache-2.0
// The two directions bytes can move. A Source is pulled, a Sink is pushed; neither is used from two
// threads at once. Failures are thrown as Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lade {

class Source {
public:
    virtual ~Source() = default;
    // Fills some of `into` (never empty) and returns how many bytes; 0 means the end, and means that
    // everything the source promises about its bytes (length, digest) has been checked.
    virtual std::size_t read(std::span<std::byte> into) = 0;
};

class Sink {
public:
    virtual ~Sink() = default;
    // Takes all of `bytes` or throws.
    virtual void write(std::span<const std::byte> bytes) = 0;
};

// Collects into memory; more than `limit` bytes is resource_exhausted and names `what`.
class StringSink final : public Sink {
public:
    StringSink(std::size_t limit, std::string what) : limit_(limit), what_(std::move(what)) {}
    void write(std::span<const std::byte> bytes) override;
    std::string take() { return std::move(text_); }

private:
    std::size_t limit_;
    std::string what_;
    std::string text_;
};

// Serves bytes the caller keeps alive.
class StringSource final : public Source {
public:
    explicit StringSource(std::string_view text) : rest_(text) {}
    std::size_t read(std::span<std::byte> into) override;

private:
    std::string_view rest_;
};

// A file, read through a descriptor the caller keeps open: the whole of it, or at most `length` bytes from `offset` on.
class FileSource final : public Source {
public:
    FileSource(int fd, std::string what, std::uint64_t offset = 0, std::uint64_t length = UINT64_MAX)
        : fd_(fd), what_(std::move(what)), offset_(offset), rest_(length) {}
    std::size_t read(std::span<std::byte> into) override;

private:
    int fd_;
    std::string what_;
    std::uint64_t offset_;
    std::uint64_t rest_;
};

// Moves everything; returns the byte count.
std::uint64_t copy(Source& from, Sink& to);

} // namespace lade
