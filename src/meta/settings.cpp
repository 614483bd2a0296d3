// SPDX-License-Identifier: Apache-2.0
#include "meta/settings.hpp"

namespace lade::meta {

std::optional<std::string> Settings::find(std::string_view key) {
    Statement row = database_.query("SELECT value FROM settings WHERE key = ?", key);
    if (!row.next())
        return std::nullopt;
    return row.text(0);
}

void Settings::put(std::string_view key, std::string_view value) {
    database_.run("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", key, value);
}

} // namespace lade::meta
