// SPDX-License-Identifier: Apache-2.0
// What filters call the fields of what the store keeps.
#pragma once

#include "content/ingest_files.hpp"
#include "meta/fields.hpp"

namespace lade::store {

using meta::fields;
using meta::ordered_fields;

// `total` is absent while nobody said it.
Adaptor fields(const content::IngestStatus& ingest);

} // namespace lade::store
