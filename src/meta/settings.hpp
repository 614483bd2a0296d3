// SPDX-License-Identifier: Apache-2.0
// Settings of the store itself, which hold for every process that uses it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "meta/sqlite.hpp"

namespace lade::meta {

class Settings {
public:
    explicit Settings(Database& database) : database_(database) {}

    // nullopt: never set.
    std::optional<std::string> find(std::string_view key);
    void put(std::string_view key, std::string_view value);

private:
    Database& database_;
};

} // namespace lade::meta
