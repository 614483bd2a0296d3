// SPDX-License-Identifier: Apache-2.0
// What makes one snapshot of another, as a layer (registry-and-unpack.md 5.5, 5.6; archive/layer_writer.hpp has the
// rules). One pass: trees -> tar -> diff ID -> compressor -> sink.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "archive/warnings.hpp"
#include "base/stream.hpp"
#include "oci/layer.hpp"
#include "oci/manifest.hpp"
#include "store/leases.hpp"
#include "store/snapshots.hpp"
#include "store/store.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

struct DiffOptions {
    std::string upper;                // a snapshot's key, of any kind
    std::optional<std::string> lower; // nullopt: the upper's parent; "": an empty tree
    std::string media_type;
    std::optional<int> level; // as archive::compress() has it
};

struct Diff {
    oci::DiffId diff_id;
    archive::Warnings warnings;
};

// Writes the layer to `sink`. Owners are the container's where the snapshot's labels remap them. The lease holds both
// snapshots meanwhile. Nobody should write to them: a file that shrinks is failed_precondition, other changes are in
// the layer or not; failed_precondition is an owner, too, that the labels' mapping has no room for. No time in it is
// later than SOURCE_DATE_EPOCH. not_found: a snapshot; unimplemented: the media type; invalid_argument: the level, or
// that variable; permission_denied: they cannot be mounted. Before the first byte all of these are known. On the board
// it is one line, whose bytes are those of the tar, in all unknown.
Diff diff(store::Snapshots& snapshots, const DiffOptions& options, store::LeaseHold& lease, Sink& sink,
          Progress& progress, const std::stop_token& stop);

struct StoredDiff {
    oci::Descriptor descriptor;
    Diff diff;
};

// The same into the namespace's content, held by the lease. The blob gets `labels` and containerd.io/uncompressed, also
// when it was there. Nothing is left of an attempt that fails. `ref` names the ingest; while another process writes it,
// it is waited for.
StoredDiff store_diff(store::Store& store, const std::string& name_space, store::Snapshots& snapshots,
                      const DiffOptions& options, const std::string& ref, const oci::Labels& labels,
                      store::LeaseHold& lease, Progress& progress, const std::stop_token& stop);

} // namespace lade::transfer
