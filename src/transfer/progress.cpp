// SPDX-License-Identifier: Apache-2.0
#include "transfer/progress.hpp"

#include <algorithm>

namespace lade::transfer {

std::string_view to_string(Stage stage) noexcept {
    switch (stage) {
    case Stage::waiting:
        return "waiting";
    case Stage::resolving:
        return "resolving";
    case Stage::resolved:
        return "resolved";
    case Stage::downloading:
        return "downloading";
    case Stage::downloaded:
        return "downloaded";
    case Stage::exists:
        return "exists";
    case Stage::uploading:
        return "uploading";
    case Stage::uploaded:
        return "uploaded";
    case Stage::mounted:
        return "mounted";
    case Stage::copying:
        return "copying";
    case Stage::copied:
        return "copied";
    case Stage::extracting:
        return "extracting";
    case Stage::extracted:
        return "extracted";
    case Stage::writing:
        return "writing";
    case Stage::written:
        return "written";
    }
    return "waiting";
}

bool is_final(Stage stage) noexcept {
    return stage == Stage::resolved || stage == Stage::downloaded || stage == Stage::exists ||
           stage == Stage::uploaded || stage == Stage::mounted || stage == Stage::copied || stage == Stage::extracted ||
           stage == Stage::written;
}

Item& Progress::add(std::string kind, std::string name, std::uint64_t total) {
    const std::scoped_lock lock(mutex_);
    return items_.emplace_back(std::move(kind), std::move(name), total);
}

void Progress::warn(std::string text) {
    const std::scoped_lock lock(mutex_);
    if (!told_.contains(text))
        told_.insert(warnings_.emplace_back(std::move(text)));
}

std::vector<const Item*> Progress::items() const {
    const std::scoped_lock lock(mutex_);
    std::vector<const Item*> items;
    for (const Item& item : items_)
        items.push_back(&item);
    return items;
}

std::vector<std::string> Progress::warnings(std::size_t from) const {
    const std::scoped_lock lock(mutex_);
    return {warnings_.begin() + static_cast<std::ptrdiff_t>(std::min(from, warnings_.size())), warnings_.end()};
}

} // namespace lade::transfer
