// SPDX-License-Identifier: Apache-2.0
// What lists and trees tell about an image, read from the documents in the store or remembered from the last reading.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oci/manifest.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"
#include "transfer/image.hpp"

namespace lade::transfer {

using store::Summary;

struct ReadSummary {
    Summary summary;
    // False when what is missing in the store would make it another one: it is not to be remembered.
    bool complete = true;
};

// `config` is that of the manifest that stands for the image: the best match of `wish`; else the first that is here.
// not_found: the target is not here; data_loss: a document is damaged. Other documents that are missing, as those of
// platforms that nobody pulled, count nothing.
ReadSummary summarize(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& wish);

// The summary of an image that is about to be recorded, for this machine's platform; nullopt when it cannot be told
// yet. Never throws but for a stop.
std::optional<Summary> find_summary(store::Store& store, const std::string& name_space, const oci::Descriptor& target);

// Summaries for a listing on this machine's platform. What had to be read is remembered at the end, if nobody else is
// writing just then.
class Summarizer {
public:
    Summarizer(store::Store& store, const std::string& name_space);

    std::vector<store::ListedImage> list() { return images_.list(platform_name_); }
    std::vector<store::ListedImage> list_by_digest(const std::string& prefix) {
        return images_.list_by_digest(prefix, platform_name_);
    }
    // Fails as summarize() does.
    const Summary& get(store::ListedImage& image);
    void remember() noexcept;

private:
    store::Images images_;
    store::Blobs blobs_;
    oci::Platform platform_;
    std::string platform_name_;
    std::vector<std::pair<oci::Digest, Summary>> read_;
};

enum class Standin {
    none,  // the best match of the wish, or the target itself if it is a manifest
    first, // else the first manifest that is here
};

// The image that stands for `target` on `wish`, its manifest read, its config too if that is here and an image's.
// nullopt: its manifest is not here. data_loss: a document is damaged.
std::optional<PlatformImage> find_platform_image(store::Blobs& blobs, const oci::Descriptor& target,
                                                 const oci::Platform& wish, Standin standin);

// The children of an index or manifest (registry-and-unpack.md 3.2); none for anything else and for a
// document that is not here.
std::vector<oci::Descriptor> children_of(store::Blobs& blobs, const oci::Descriptor& descriptor);

} // namespace lade::transfer
