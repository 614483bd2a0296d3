// SPDX-License-Identifier: Apache-2.0
// Rows of images, in one namespace (containerd-store.md 2.5). Everything that writes one validates it as a whole:
// invalid_argument for an empty name, a label that is too long, a target without size or media type. Whatever gives a
// name a target refuses one that the name does not mean (means_target()), as invalid_argument, too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/sqlite.hpp"
#include "meta/summaries.hpp"
#include "oci/labels.hpp"
#include "oci/manifest.hpp"

namespace lade::meta {

struct Image {
    std::string name;
    oci::Descriptor target; // digest, size, media type, annotations; the rest is not kept
    oci::Labels labels;
    Time created{};
    Time updated{};
};

struct ListedImage {
    Image image;
    // What is remembered of its documents, as long as its target is recorded in the namespace's content.
    std::optional<Summary> summary;
};

// What the environment says in SOURCE_DATE_EPOCH, nullopt when it says nothing. invalid_argument: that is no number of
// seconds.
std::optional<Time> source_date_epoch();
// The time that a change of an image is given: that one, or now.
Time time_of_change();

// A label of an image: the digest of the manifest that a pull has made it of, by changing its config's type.
inline constexpr std::string_view converted_from = "lade.image/converted-from";

// Whether the target has this digest, or is what a pull has made of what has it, as the image's labels tell then.
bool was_made_of(const Image& image, const oci::Digest& digest);
// False: the name has a digest (a:1@sha256:...) that the target was not made of. One that is nothing but a digest, or
// no reference at all, says no more than any other.
bool means_target(const Image& image);
// For who changes the target: takes away the labels that tell of it.
void forget_origin(Image& image);

class Images {
public:
    Images(Database& database, std::string name_space) : database_(database), namespace_(std::move(name_space)) {}

    // In byte order of the name.
    std::vector<Image> list();
    // The same with what is remembered for `platform`. All in one look at the database, however many they are.
    std::vector<ListedImage> list(const std::string& platform);
    // Those whose target digest or ID begins with `prefix` ("sha256:ab"), and those of which nothing is remembered.
    std::vector<ListedImage> list_by_digest(const std::string& prefix, const std::string& platform);
    std::optional<Image> find(const std::string& name);

    // Times of what is given are ignored in all of these: they are now, or SOURCE_DATE_EPOCH. What is returned is the
    // image as it is recorded.
    // already_exists names it.
    Image create(const Image& image);
    // `paths` say what is taken from `image`: "target", "labels", "annotations" (the target's) as a whole,
    // "labels.<key>" and "annotations.<key>" alone, where a key that `image` lacks is removed. Without any, labels and
    // target become those of `image`. not_found; invalid_argument for any other path.
    Image update(const Image& image, const std::vector<std::string>& paths);
    // Creates, or updates the target of an existing name and merges `image.labels` into the labels it has:
    // what the user set stays; what they say of another target's origin does not.
    Image put(const Image& image);
    // False when there is none, or none with the target that is `expected`.
    bool remove(const std::string& name, const std::optional<oci::Digest>& expected = std::nullopt);

    // Names of images that no container names, in byte order.
    std::vector<std::string> unused();

private:
    Image write(const Image& image, bool known);
    Image replace(const Image& before, const Image& after);
    std::vector<ListedImage> read_all(Statement& rows);

    Database& database_;
    std::string namespace_;
};

} // namespace lade::meta
