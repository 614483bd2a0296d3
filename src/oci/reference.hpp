// SPDX-License-Identifier: Apache-2.0
// Image references in both languages people use (registry-and-unpack.md 1.1 to 1.3): the familiar form
// ("alpine", "user/app:1") and the full form mean the same here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/digest.hpp"

namespace lade::oci {

class Reference {
public:
    // Normalises by the rules of 1.2; without tag and digest the tag is "latest". Also refused, as
    // invalid_argument naming the text: a scheme ("://"), user info, a query or a fragment.
    static Reference parse(std::string_view text);
    // As parse(), but nullopt for what is no reference.
    static std::optional<Reference> try_parse(std::string_view text);

    // The registry as named, e.g. "docker.io" or "localhost:5000".
    const std::string& domain() const noexcept { return domain_; }
    // The repository path without the domain, e.g. "library/alpine".
    const std::string& path() const noexcept { return path_; }
    const std::optional<std::string>& tag() const noexcept { return tag_; }
    const std::optional<Digest>& digest() const noexcept { return digest_; }

    // domain/path
    std::string repository() const;
    // domain/path[:tag][@digest]: the image's name in the store.
    std::string string() const;
    // What manifests are asked by: the digest when there is one, else the tag.
    std::string object() const;

private:
    std::string domain_;
    std::string path_;
    std::optional<std::string> tag_;
    std::optional<Digest> digest_;
};

} // namespace lade::oci
