// SPDX-License-Identifier: Apache-2.0
#include "store/fields.hpp"

namespace lade::store {

Adaptor fields(const content::IngestStatus& ingest) {
    return [&ingest](const FieldPath& path) -> std::optional<FieldValue> {
        if (path[0] == "ref")
            return ingest.ref;
        if (path[0] == "offset")
            return ingest.offset;
        if (path[0] == "total" && ingest.total > 0)
            return ingest.total;
        if (path[0] == "started")
            return ingest.started;
        if (path[0] == "updated")
            return ingest.updated;
        return std::nullopt;
    };
}

} // namespace lade::store
