// SPDX-License-Identifier: Apache-2.0
// Blobs from the files of an archive or a layout.
#pragma once

#include <map>
#include <optional>

#include "transfer/image_files.hpp"
#include "transfer/provider.hpp"

namespace lade::transfer {

class ArchiveProvider final : public Provider {
public:
    // The files stay the caller's. `brings_unpacked`: as Provider has it, of the layers that are there.
    ArchiveProvider(const ImageFiles& files, bool brings_unpacked) : files_(files), brings_unpacked_(brings_unpacked) {}

    // A blob that lies elsewhere than in the folder blobs/. Before anything is fetched.
    void add(const oci::Digest& digest, const ImageFile& file) { elsewhere_.emplace(digest, file); }
    // Blobs lie as in skopeo's dir: (oci/dir_tree.hpp), too. Before anything is fetched.
    void look_at_top() { at_top_ = true; }
    bool has(const oci::Digest& digest) const { return find(digest).has_value(); }

    // data_loss: the file has another size than the descriptor says.
    void fetch(const oci::Descriptor& descriptor, std::uint64_t offset, Sink& sink,
               const std::stop_token& stop) override;
    // There is nobody else.
    void blame(const oci::Descriptor& descriptor, Error mismatch,
               const std::function<void(const std::string&)>& warn) override;
    bool awaits_verdict() const noexcept override { return true; }
    bool brings_unpacked(const oci::Descriptor& layer) const override { return brings_unpacked_ && has(layer.digest); }
    // Reading it again costs no more than hashing what is there.
    bool is_resumed() const noexcept override { return false; }
    Stage arriving() const noexcept override { return Stage::writing; }
    Stage arrived() const noexcept override { return Stage::written; }

private:
    std::optional<ImageFile> find(const oci::Digest& digest) const;

    const ImageFiles& files_;
    bool brings_unpacked_;
    bool at_top_ = false;
    std::map<oci::Digest, ImageFile> elsewhere_;
};

} // namespace lade::transfer
