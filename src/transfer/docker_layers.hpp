// SPDX-License-Identifier: Apache-2.0
// The layers of a docker archive as blobs (registry-and-unpack.md 7.2): what a file is, and whether the store has it
// already, in this form or the other one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "archive/compression.hpp"
#include "oci/digest.hpp"
#include "oci/manifest.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_files.hpp"

namespace lade::transfer {

inline constexpr std::string_view plain_docker_layer = "application/vnd.docker.image.rootfs.diff.tar";

struct DockerLayerRules {
    bool compress = false;   // plain layers are stored compressed
    std::uint64_t ratio = 0; // archive::Limits
};

// All descriptors have docker's types. What is returned is in the store, whole, and held by the lease of `origin`.
// Errors of what is read are those of ImageFiles, of what is written those of store::Blobs. One thread.
class DockerLayers {
public:
    // References stay the caller's.
    DockerLayers(const Origin& origin, const ImageFiles& files, const DockerLayerRules& rules, std::stop_token stop)
        : origin_(origin), files_(files), rules_(rules), stop_(std::move(stop)) {}

    // One that the store has: in the form that is rather wanted, or else in the other one.
    std::optional<oci::Descriptor> find_stored(const oci::DiffId& diff_id);

    archive::Compression compression_of(const ImageFile& file) const;
    // The file as it is.
    oci::Descriptor store(const ImageFile& file);
    // A compressed layer as it is, decoded on its way, as nothing but its diff ID says what it should be. data_loss: it
    // has another one; resource_exhausted: more than the rules' ratio.
    oci::Descriptor store(const ImageFile& file, const oci::DiffId& diff_id);
    // A plain layer, compressed. data_loss: it has another diff ID.
    oci::Descriptor compress(const ImageFile& file, const oci::DiffId& diff_id);
    // What a stored layer is when it is decompressed, which it is for that; the store remembers. resource_exhausted:
    // more than the rules' ratio.
    oci::DiffId diff_id_of(const oci::Descriptor& layer);

    // data_loss: a layer whose tar has this digest is not the one.
    static void require_same(const oci::Digest& digest, const oci::DiffId& diff_id);

private:
    std::optional<oci::Descriptor> find_plain(const oci::DiffId& diff_id);
    std::optional<oci::Descriptor> find_compressed(const oci::DiffId& diff_id);
    const std::map<std::string, oci::Descriptor>& compressed_layers();
    std::optional<oci::Descriptor> hold(oci::Descriptor layer);
    oci::Digest decode(Source& compressed, std::uint64_t size);
    template <typename Work>
    oci::Digest write(const Work& work, const ImageFile& file);

    const Origin& origin_;
    const ImageFiles& files_;
    DockerLayerRules rules_;
    std::stop_token stop_;
    std::optional<std::map<std::string, oci::Descriptor>> compressed_;
};

} // namespace lade::transfer
