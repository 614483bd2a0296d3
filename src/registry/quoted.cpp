// SPDX-License-Identifier: Apache-2.0
#include "registry/quoted.hpp"

namespace lade::registry {

std::optional<std::string> take_quoted(std::string_view& rest) {
    if (!rest.starts_with('"'))
        return std::nullopt;
    std::string value;
    for (std::size_t i = 1; i < rest.size(); ++i) {
        if (rest[i] == '"') {
            rest.remove_prefix(i + 1);
            return value;
        }
        if (rest[i] == '\\' && i + 1 < rest.size())
            ++i;
        value.push_back(rest[i]);
    }
    return std::nullopt;
}

} // namespace lade::registry
