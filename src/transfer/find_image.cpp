// SPDX-License-Identifier: Apache-2.0
#include "transfer/find_image.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"
#include "transfer/image_summary.hpp"

namespace lade::transfer {

namespace {

constexpr std::size_t shortest_prefix = 3;
constexpr std::size_t longest_prefix = 128;
// An error is one line: so many candidates are named.
constexpr std::size_t shown_candidates = 10;

// The beginning of a digest, with its algorithm; nullopt when the text cannot be one.
std::optional<std::string> digest_prefix(std::string_view text) {
    std::string_view algorithm = "sha256";
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        algorithm = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    if ((algorithm != "sha256" && algorithm != "sha512") || text.size() < shortest_prefix ||
        text.size() > longest_prefix || text.find_first_not_of("0123456789abcdef") != std::string_view::npos)
        return std::nullopt;
    return cat(algorithm, ':', text);
}

bool begins(const std::optional<oci::Digest>& digest, std::string_view prefix) {
    return digest && digest->string().starts_with(prefix);
}

std::vector<store::ListedImage> find_by_digest(store::Store& store, const std::string& name_space,
                                               const std::string& prefix) {
    Summarizer summarizer(store, name_space);
    std::vector<store::ListedImage> found;
    for (store::ListedImage& listed : summarizer.list_by_digest(prefix)) {
        std::optional<oci::Digest> config;
        try {
            config = summarizer.get(listed).config;
        } catch (const Error& error) {
            // Of an image whose documents cannot be read the target alone is known.
            if (error.kind() == ErrorKind::cancelled)
                throw;
        }
        if (begins(listed.image.target.digest, prefix) || begins(config, prefix))
            found.push_back(std::move(listed));
    }
    summarizer.remember();
    return found;
}

[[noreturn]] void refuse_ambiguous(const std::string& text, const std::vector<store::ListedImage>& found) {
    std::vector<std::string> lines;
    for (const store::ListedImage& one : found) {
        if (lines.size() == shown_candidates)
            break;
        const bool has_id = one.summary && one.summary->config;
        lines.push_back(cat(printable(one.image.name), " (", has_id ? "ID " : "target ",
                            has_id ? one.summary->config->string() : one.image.target.digest.string(), ")"));
    }
    throw Error(ErrorKind::invalid_argument, "image ", printable(text), " is ambiguous: ", join(lines, ", "),
                found.size() > lines.size() ? cat(" and ", found.size() - lines.size(), " more") : "");
}

Error not_found(const std::string& text) {
    return Error(ErrorKind::not_found, "image ", printable(text), " not found");
}

} // namespace

std::vector<store::Image> find_images(store::Store& store, const std::string& name_space, const std::string& text) {
    store::Images images(store, name_space);
    if (auto image = images.find(text))
        return {std::move(*image)};
    if (const auto reference = oci::Reference::try_parse(text))
        if (auto image = images.find(reference->string()))
            return {std::move(*image)};
    const auto prefix = digest_prefix(text);
    if (!prefix)
        return {};
    std::vector<store::ListedImage> found = find_by_digest(store, name_space, *prefix);
    std::vector<store::Image> names;
    for (store::ListedImage& one : found) {
        if (one.image.target.digest != found.front().image.target.digest)
            refuse_ambiguous(text, found);
        names.push_back(one.image);
    }
    return names;
}

std::optional<store::Image> find_image(store::Store& store, const std::string& name_space, const std::string& text) {
    std::vector<store::Image> images = find_images(store, name_space, text);
    if (images.empty())
        return std::nullopt;
    return std::move(images.front());
}

store::Image get_image(store::Store& store, const std::string& name_space, const std::string& text) {
    auto image = find_image(store, name_space, text);
    if (!image)
        throw not_found(text);
    return std::move(*image);
}

store::Image get_only_image(store::Store& store, const std::string& name_space, const std::string& text) {
    std::vector<store::Image> images = find_images(store, name_space, text);
    if (images.empty())
        throw not_found(text);
    if (images.size() > 1)
        throw Error(ErrorKind::failed_precondition, "image ", printable(text),
                    " has several names: ", list_names(images));
    return std::move(images.front());
}

bool is_named(const store::Image& image, const std::string& text) {
    const auto reference = oci::Reference::try_parse(text);
    return image.name == text || (reference && image.name == reference->string());
}

std::string list_names(const std::vector<store::Image>& images) {
    std::vector<std::string> names;
    names.reserve(images.size());
    for (const store::Image& image : images)
        names.push_back(printable(image.name));
    return join(names, ", ");
}

} // namespace lade::transfer
