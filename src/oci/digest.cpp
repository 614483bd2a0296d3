// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.hpp"

#include <openssl/evp.h>

#include <array>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace lade::oci {

namespace {

// Every algorithm there is, by its number in the enumeration.
struct Kind {
    std::string_view name;
    std::size_t hex_length;
    const EVP_MD* (*method)();
};
constexpr std::array<Kind, 3> kinds{{{.name = "sha256", .hex_length = 64, .method = EVP_sha256},
                                     {.name = "sha384", .hex_length = 96, .method = EVP_sha384},
                                     {.name = "sha512", .hex_length = 128, .method = EVP_sha512}}};

const Kind& kind_of(Algorithm algorithm) noexcept {
    return kinds[static_cast<std::size_t>(algorithm)];
}

std::size_t hex_length(Algorithm algorithm) noexcept {
    return kind_of(algorithm).hex_length;
}

bool is_lower_hex(std::string_view text) noexcept {
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<Algorithm> algorithm_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kinds.size(); ++i)
        if (kinds[i].name == name)
            return static_cast<Algorithm>(i);
    return std::nullopt;
}

bool grammatical(std::string_view name, std::string_view encoded) noexcept {
    return !name.empty() && !encoded.empty() &&
           name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+._-") == std::string_view::npos &&
           encoded.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789=_-") ==
               std::string_view::npos;
}

} // namespace

Digest Digest::parse(std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const std::string_view encoded = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    const auto algorithm = algorithm_named(name);
    if (!algorithm && grammatical(name, encoded))
        throw Error(ErrorKind::unimplemented, "digest ", printable(text), ": unsupported algorithm");
    if (!algorithm || !is_lower_hex(encoded))
        throw Error(ErrorKind::invalid_argument, "digest \"", printable(text), "\": not of the form algorithm:hex");
    if (encoded.size() != hex_length(*algorithm))
        throw Error(ErrorKind::invalid_argument, "digest ", printable(text), ": ", name, " has ",
                    hex_length(*algorithm), " hex characters, not ", encoded.size());
    return {*algorithm, std::string(encoded)};
}

std::optional<Digest> Digest::try_parse(std::string_view text) noexcept {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos)
        return std::nullopt;
    const auto algorithm = algorithm_named(text.substr(0, colon));
    const std::string_view encoded = text.substr(colon + 1);
    if (!algorithm || encoded.size() != hex_length(*algorithm) || !is_lower_hex(encoded))
        return std::nullopt;
    return Digest(*algorithm, std::string(encoded));
}

bool Digest::is_abbreviation(std::string_view text) noexcept {
    constexpr std::size_t shortest = 4;
    const std::size_t colon = text.find(':');
    const std::string_view encoded = colon == std::string_view::npos ? text : text.substr(colon + 1);
    return (colon == std::string_view::npos || algorithm_named(text.substr(0, colon))) && encoded.size() >= shortest &&
           is_lower_hex(encoded);
}

Digest Digest::of(std::string_view text) {
    Hasher hasher(Algorithm::sha256);
    hasher.update(as_bytes(text));
    return hasher.finish();
}

std::string_view Digest::algorithm_name() const noexcept {
    return kind_of(algorithm_).name;
}

std::string Digest::string() const {
    return std::string(algorithm_name()).append(":").append(hex_);
}

std::ostream& operator<<(std::ostream& out, const Digest& digest) {
    return out << digest.algorithm_name() << ':' << digest.hex();
}

struct Hasher::State {
    std::unique_ptr<EVP_MD_CTX, decltype([](EVP_MD_CTX* context) { EVP_MD_CTX_free(context); })> context{
        EVP_MD_CTX_new()};
};

Hasher::Hasher(Algorithm algorithm) : state_(std::make_unique<State>()), algorithm_(algorithm) {
    if (!state_->context || EVP_DigestInit_ex(state_->context.get(), kind_of(algorithm).method(), nullptr) != 1)
        throw Error(ErrorKind::internal, "cannot start a hash");
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::span<const std::byte> bytes) {
    if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1)
        throw Error(ErrorKind::internal, "cannot hash");
}

Digest Hasher::so_far() const {
    Hasher copy(algorithm_);
    if (EVP_MD_CTX_copy_ex(copy.state_->context.get(), state_->context.get()) != 1)
        throw Error(ErrorKind::internal, "cannot copy a hash");
    return copy.finish();
}

Digest Hasher::finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
    if (EVP_DigestFinal_ex(state_->context.get(), bytes.data(), &size) != 1)
        throw Error(ErrorKind::internal, "cannot finish a hash");
    return {algorithm_, lade::hex(bytes.data(), size)};
}

std::size_t HashingSource::read(std::span<std::byte> into) {
    const std::size_t n = inner_.read(into);
    hasher_.update(into.first(n));
    return n;
}

void HashingSink::write(std::span<const std::byte> bytes) {
    hasher_.update(bytes);
    inner_.write(bytes);
}

} // namespace lade::oci
