// SPDX-License-Identifier: Apache-2.0
#include "store/settings.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "meta/content.hpp"
#include "meta/settings.hpp"
#include "snapshot/mount_options.hpp"

namespace lade::store {

namespace {

constexpr std::string_view content_sharing = "content-sharing";
constexpr std::string_view isolated = "isolated";

std::string joined(const std::vector<std::string_view>& words) {
    return join({words.begin(), words.end()}, ", ");
}

} // namespace

const std::vector<Setting>& settings() {
    static const std::vector<Setting> all{
        {.name = content_sharing, .values = {"shared", isolated}},
        {.name = overlay_mount_options, .values = {""}, .check = [](std::string_view value) {
             static_cast<void>(snapshot::parse_configured_options(value));
         }}};
    return all;
}

const Setting& get_setting(std::string_view name) {
    const auto found = std::ranges::find(settings(), name, &Setting::name);
    if (found == settings().end()) {
        std::vector<std::string_view> names;
        for (const Setting& setting : settings())
            names.push_back(setting.name);
        throw Error(ErrorKind::invalid_argument, "setting \"", printable(name), "\": not one of ", joined(names));
    }
    return *found;
}

std::string setting_value(Store& store, const Setting& setting) {
    return meta::Settings(store.database()).find(setting.name).value_or(std::string(setting.values.front()));
}

void set_setting(Store& store, const Setting& setting, std::string_view value) {
    if (setting.check != nullptr)
        doing(setting.name, [&] { setting.check(value); });
    else if (std::ranges::find(setting.values, value) == setting.values.end())
        throw Error(ErrorKind::invalid_argument, setting.name, " \"", printable(value), "\": not one of ",
                    joined(setting.values));
    meta::Transaction transaction(store.database());
    meta::Settings(store.database()).put(setting.name, value);
    transaction.commit();
}

std::optional<std::uint64_t> obtainable_size(Store& store, const std::string& name_space, const oci::Digest& digest) {
    meta::Content content(store.database(), name_space);
    const auto size = content.shared_size(digest);
    if (!size || setting_value(store, get_setting(content_sharing)) != isolated || content.find(digest) ||
        content.is_shareable(digest))
        return size;
    return std::nullopt;
}

} // namespace lade::store
