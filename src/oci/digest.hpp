// SPDX-License-Identifier: Apache-2.0
// Digests (registry-and-unpack.md 1.4, safety.md 3.1) and the only door to OpenSSL. A Digest exists only
// in verified form, so a path or URL made of one is safe.
#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/stream.hpp"

namespace lade::oci {

enum class Algorithm { sha256, sha384, sha512 };

class Digest {
public:
    // "sha256:<64 lower-case hex>", "sha384:<96>" or "sha512:<128>". invalid_argument on anything else; an unknown but
    // well-formed algorithm is unimplemented.
    static Digest parse(std::string_view text);
    static std::optional<Digest> try_parse(std::string_view text) noexcept;
    // True for what may stand for a digest where it can be told which one is meant: its first 4 or more hex characters,
    // with or without "algorithm:" before them.
    static bool is_abbreviation(std::string_view text) noexcept;
    // sha256 of the text.
    static Digest of(std::string_view text);

    Algorithm algorithm() const noexcept { return algorithm_; }
    std::string_view algorithm_name() const noexcept;
    const std::string& hex() const noexcept { return hex_; }
    std::string string() const;
    // The first 12 hex characters, for eyes only.
    std::string short_hex() const { return hex_.substr(0, 12); }

    friend auto operator<=>(const Digest&, const Digest&) = default;
    friend bool operator==(const Digest&, const Digest&) = default;

private:
    friend class Hasher;
    Digest(Algorithm algorithm, std::string hex) : algorithm_(algorithm), hex_(std::move(hex)) {}

    Algorithm algorithm_;
    std::string hex_;
};

std::ostream& operator<<(std::ostream& out, const Digest& digest);

// Running hash. Not shared between threads.
class Hasher {
public:
    explicit Hasher(Algorithm algorithm);
    ~Hasher();
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;

    void update(std::span<const std::byte> bytes);
    // The digest of everything so far; the hash may go on.
    Digest so_far() const;
    // The digest of everything; ends the hash.
    Digest finish();

private:
    struct State;
    std::unique_ptr<State> state_;
    Algorithm algorithm_;
};

// Passes bytes on while hashing them; digest() is the digest of all bytes, valid once the end was read.
class HashingSource final : public Source {
public:
    HashingSource(Source& inner, Algorithm algorithm) : inner_(inner), hasher_(algorithm) {}
    std::size_t read(std::span<std::byte> into) override;
    // Call after read() has returned 0, once.
    Digest digest() { return hasher_.finish(); }

private:
    Source& inner_;
    Hasher hasher_;
};

// The same for bytes that are pushed.
class HashingSink final : public Sink {
public:
    HashingSink(Sink& inner, Algorithm algorithm) : inner_(inner), hasher_(algorithm) {}
    void write(std::span<const std::byte> bytes) override;
    // Of all bytes; call it once, after the last.
    Digest digest() { return hasher_.finish(); }

private:
    Sink& inner_;
    Hasher hasher_;
};

} // namespace lade::oci
