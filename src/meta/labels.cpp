// SPDX-License-Identifier: Apache-2.0
#include "meta/labels.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::meta {

oci::Labels update_labels(oci::Labels current, const oci::Labels& wanted, const std::vector<std::string>& paths) {
    constexpr std::string_view prefix = "labels.";
    if (paths.empty())
        return wanted;
    for (const std::string& path : paths) {
        if (path == "labels") {
            current = wanted;
        } else if (path.starts_with(prefix) && path.size() > prefix.size()) {
            const std::string key = path.substr(prefix.size());
            const auto value = wanted.find(key);
            oci::merge(current, {{key, value == wanted.end() ? "" : value->second}});
        } else {
            throw Error(ErrorKind::invalid_argument, "field path \"", printable(path), "\": cannot be updated");
        }
    }
    return current;
}

} // namespace lade::meta
