// SPDX-License-Identifier: Apache-2.0
// An OCI image layout as a directory, to which images are added.
#pragma once

#include <stop_token>
#include <string>

#include "base/locks.hpp"
#include "transfer/archive_contents.hpp"

namespace lade::transfer {

// Makes the directory where there is none. One that is a layout keeps its images, but for those whose names are taken
// over; its good blobs are not written again. index.json comes last, in one step: until then nothing has changed for
// those who read it. One process at a time adds to a layout, the others wait with `patience`. After a failure what was
// no layout before is as empty as it was; in one that was, blobs may stay that nothing refers to.
// failed_precondition: it has files in it and is no layout, or one of another version; data_loss: a blob is damaged.
void write_layout(const std::string& path, const ArchiveContents& contents, bool durable, const Patience& patience,
                  const std::stop_token& stop);

} // namespace lade::transfer
