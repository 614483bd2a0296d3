// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::oci {

namespace {

constexpr std::string_view hub = "docker.io";
constexpr std::size_t max_path = 255;
constexpr std::size_t max_tag = 128;
// No valid reference is longer; what is longer is not repeated in a message.
constexpr std::size_t max_reference = 4096;

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_alphanumeric(char c) {
    return is_lower(c) || is_upper(c) || is_digit(c);
}

bool is_image_id(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_domain_component(std::string_view text) {
    return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

bool is_host(std::string_view text) {
    if (text.starts_with('['))
        return text.size() > 3 && text.ends_with(']') &&
               text.substr(1, text.size() - 2).find_first_not_of("0123456789abcdefABCDEF:") == std::string_view::npos;
    return std::ranges::all_of(split(text, '.'), is_domain_component);
}

bool is_domain(std::string_view text) {
    const std::size_t colon = text.find(':', text.starts_with('[') ? text.find(']') : 0);
    if (colon == std::string_view::npos)
        return is_host(text);
    const std::string_view port = text.substr(colon + 1);
    const auto number = parse_number(port);
    return is_host(text.substr(0, colon)) && number && *number > 0 && *number <= 65535 && port.size() <= 5;
}

// Runs of [a-z0-9], joined by one '.', by one or two '_', or by any number of '-'.
bool is_path_component(std::string_view text) {
    const auto in_run = [](char c) { return is_lower(c) || is_digit(c); };
    if (text.empty() || !in_run(text.front()) || !in_run(text.back()))
        return false;
    for (std::size_t i = 0; i < text.size();) {
        if (in_run(text[i])) {
            ++i;
            continue;
        }
        const std::size_t start = i;
        while (!in_run(text[i]))
            ++i;
        const std::string_view joint = text.substr(start, i - start);
        if (joint != "." && joint != "_" && joint != "__" && joint.find_first_not_of('-') != std::string_view::npos)
            return false;
    }
    return true;
}

bool is_tag(std::string_view text) {
    return !text.empty() && text.size() <= max_tag && (is_alphanumeric(text.front()) || text.front() == '_') &&
           std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

// Whether what stands before the first '/' names a registry; otherwise it begins a path on the hub.
bool names_registry(std::string_view segment) {
    return segment == "localhost" || segment.find_first_of(".:[") != std::string_view::npos ||
           std::ranges::any_of(segment, is_upper);
}

[[noreturn]] void refuse(std::string_view why) {
    throw Error(ErrorKind::invalid_argument, why);
}

} // namespace

Reference Reference::parse(std::string_view text) {
    if (text.size() > max_reference)
        refuse("a reference of more than 4096 bytes");
    return doing([&] { return cat("reference \"", printable(text), '"'); },
                 [&] {
                     if (text.empty())
                         refuse("is empty");
                     if (text.find("://") != std::string_view::npos)
                         refuse("must not have a scheme");
                     if (text.find_first_of("?#") != std::string_view::npos)
                         refuse("must not have a query or fragment");
                     if (is_image_id(text))
                         refuse("64 hex characters are no name; a digest is written sha256:...");

                     Reference reference;
                     std::string_view rest = text;
                     if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
                         if (rest.find('/', at) != std::string_view::npos)
                             refuse("must not have user information");
                         reference.digest_ = Digest::parse(rest.substr(at + 1));
                         rest = rest.substr(0, at);
                     }

                     const std::size_t slash = rest.find('/');
                     if (slash != std::string_view::npos && names_registry(rest.substr(0, slash))) {
                         reference.domain_ = rest.substr(0, slash);
                         rest = rest.substr(slash + 1);
                         if (!is_domain(reference.domain_))
                             refuse(cat('"', printable(reference.domain_), "\" is no registry name"));
                     }
                     if (reference.domain_.empty() || reference.domain_ == "index.docker.io")
                         reference.domain_ = hub;

                     if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
                         const std::string_view tag = rest.substr(colon + 1);
                         if (!is_tag(tag))
                             refuse(
                                 cat("tag \"", printable(tag), "\" is not 1 to 128 letters, digits, '_', '.' and '-'"));
                         reference.tag_ = tag;
                         rest = rest.substr(0, colon);
                     }
                     if (!reference.tag_ && !reference.digest_)
                         reference.tag_ = "latest";

                     if (reference.domain_ == hub && rest.find('/') == std::string_view::npos)
                         reference.path_ = "library/";
                     reference.path_ += rest;
                     if (std::ranges::any_of(rest, is_upper))
                         refuse("the repository name must be lower case");
                     if (reference.path_.size() > max_path)
                         refuse("the repository name has more than 255 bytes");
                     if (!std::ranges::all_of(split(rest, '/'), is_path_component))
                         refuse("the repository name is not made of a-z, 0-9 and single separators");
                     return reference;
                 });
}

std::optional<Reference> Reference::try_parse(std::string_view text) {
    try {
        return parse(text);
    } catch (const Error&) {
        // Why it is none is of no interest to who asks this.
        return std::nullopt;
    }
}

std::string Reference::repository() const {
    return cat(domain_, '/', path_);
}

std::string Reference::string() const {
    std::string text = repository();
    if (tag_)
        text.append(":").append(*tag_);
    if (digest_)
        text.append("@").append(digest_->string());
    return text;
}

std::string Reference::object() const {
    return digest_ ? digest_->string() : tag_.value_or("");
}

} // namespace lade::oci
