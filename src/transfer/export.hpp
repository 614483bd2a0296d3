// SPDX-License-Identifier: Apache-2.0
// `images export`: from rows to an archive, or a layout, that other tools and other stores read
// (registry-and-unpack.md 7.1).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "base/locks.hpp"
#include "base/stream.hpp"
#include "store/store.hpp"
#include "transfer/archive_contents.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

enum class ArchiveForm { oci, docker };

struct ExportOptions {
    std::string name_space;
    std::vector<std::string> images; // as people type them; each once, and by name, whatever their order is
    std::vector<std::string> since;  // images, of which the other side has all that is in the store
    ArchiveForm form = ArchiveForm::oci;
    ContentsOptions contents;
};

struct Exported {
    std::vector<ExportedImage> images;
    std::size_t blobs = 0;    // files of the archive that are blobs
    std::uint64_t size = 0;   // of these, in bytes
    std::size_t left_out = 0; // blobs that the other side has
};

// A tar, pushed. Every blob is verified on its way: data_loss names one that is damaged. not_found: an image, or a
// platform; failed_precondition: an image, or what was wished for of it, is not all in the store.
Exported export_to(Sink& sink, store::Store& store, const ExportOptions& options, Progress& progress,
                   const std::stop_token& stop);

// The same as a file, which has its name when it is whole, in the place of what had it. Its mode is `mode`.
// failed_precondition: what has the name is no file.
Exported export_to_file(const std::string& path, mode_t mode, store::Store& store, const ExportOptions& options,
                        Progress& progress, const std::stop_token& stop);

// The same as files in a directory, as write_layout() has it. Only in OCI's form.
Exported export_to_directory(const std::string& path, const Patience& patience, store::Store& store,
                             const ExportOptions& options, Progress& progress, const std::stop_token& stop);

} // namespace lade::transfer
