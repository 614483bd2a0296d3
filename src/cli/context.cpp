// SPDX-License-Identifier: Apache-2.0
#include "cli/context.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <map>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "cli/output.hpp"
#include "store/fields.hpp"
#include "store/gc.hpp"

namespace lade::cli {

namespace {

std::chrono::nanoseconds parse_wait(const std::string& text) {
    const auto limit = parse_duration(text);
    if (!limit)
        throw Error(ErrorKind::invalid_argument, "--wait: ", printable(text), ": not a duration such as 90s, 1h or 0");
    return *limit;
}

} // namespace

std::string Context::place() const {
    oci::validate_identifier("namespace", name_space);
    const std::string chosen = root.empty() ? store::default_root() : root;
    return std::filesystem::absolute(chosen).lexically_normal().string();
}

AskProgram Context::ask_program() const {
    if (!outside)
        return lade::ask_program;
    return [there = outside.get()](const ProgramCall& call, const std::stop_token& stop) {
        return there->ask(call, stop);
    };
}

void Context::open(std::optional<store::Store>& into, const std::string& where) {
    static const std::map<std::string, store::Sync> modes{
        {"none", store::Sync::none}, {"content", store::Sync::content}, {"full", store::Sync::full}};
    const Patience patience{.limit = parse_wait(wait), .tell = [this](const std::string& holders) {
                                const std::string text = "waiting for " + holders;
                                tell_wait_.with([&](const auto& tell) { tell ? tell(text) : complain(text); });
                            }};
    into.emplace(where, modes.at(sync), patience, stop_);
}

store::Store& Context::open() {
    if (!store_) {
        open(store_, place());
        if (deleted_)
            store_->use_reserve();
    }
    return *store_;
}

store::Store& Context::target_store(const std::string& other) {
    std::error_code none;
    if (std::filesystem::equivalent(other, place(), none))
        return store();
    store::require_own(other);
    open(target_, other);
    target_->require_writable();
    return *target_;
}

store::Store& Context::store() {
    open().require_writable();
    changed_ = true;
    return open();
}

store::Store* Context::find_store() {
    // Whatever else is wrong with it is told by those who open it.
    if (!store_ && ::access((place() + "/meta.db").c_str(), F_OK) != 0 && errno == ENOENT)
        return nullptr;
    return &open();
}

store::Store& Context::existing_store() {
    store::Store* found = find_store();
    if (found == nullptr)
        throw Error(ErrorKind::not_found, "store ", printable(place()), " does not exist");
    return *found;
}

void Context::collect_at_end() noexcept {
    deleted_ = true;
    if (store_)
        store_->use_reserve();
}

void Context::finish() {
    if (changed_)
        finish(open());
    if (target_)
        finish(*target_);
}

void Context::finish(store::Store& changed) {
    // What an ordinary user has as somebody else in a namespace is for a command that goes there.
    const bool may_collect = !no_gc && (needs_trees || ::geteuid() == 0);
    if (may_collect && (deleted_ || store::is_collection_due(changed)))
        for (const std::string& line : store::collect(changed, store::Mode::remove, stop_).left)
            complain("warning: " + line);
    changed.keep_reserve();
}

Context::WaitsToldTo::WaitsToldTo(Context& context, std::function<void(const std::string&)> there) : context_(context) {
    context_.tell_wait_.with([&](auto& tell) { tell = std::move(there); });
}

Context::WaitsToldTo::~WaitsToldTo() {
    context_.tell_wait_.with([](auto& tell) { tell = nullptr; });
}

void Context::print(std::string_view text) const {
    Output(stop_).write(as_bytes(text));
}

void Context::print_json(const Json& value) const {
    print(dump_json(value, 2) + "\n");
}

Filter parse_filter(const std::vector<std::string>& arguments) {
    Filter filter = Filter::parse(arguments, store::ordered_fields());
    for (const std::string& warning : filter.warnings())
        complain("warning: " + warning);
    return filter;
}

oci::Labels parse_labels(const std::vector<std::string>& arguments) {
    oci::Labels labels;
    for (const std::string& argument : arguments)
        labels.insert_or_assign(oci::parse_label(argument).first, oci::parse_label(argument).second);
    return labels;
}

std::vector<std::string> label_paths(const oci::Labels& changes) {
    std::vector<std::string> paths;
    for (const auto& [key, value] : changes)
        paths.push_back("labels." + key);
    return paths;
}

std::string format_labels(const oci::Labels& labels) {
    std::vector<std::string> parts;
    for (const auto& [key, value] : labels)
        parts.push_back(printable(std::string(key).append(1, '=').append(value)));
    return parts.empty() ? "-" : join(parts, ",");
}

Json labels_json(const oci::Labels& labels) {
    Json object = Json::object();
    for (const auto& [key, value] : labels)
        object[key] = value;
    return object;
}

void for_each_item(const std::vector<std::string>& items, const std::function<void(const std::string&)>& work) {
    std::optional<Error> worst;
    for (const std::string& item : items) {
        try {
            work(item);
        } catch (const Error& error) {
            // The last one to be said is said by main.
            if (worst && exit_code(worst->kind()) >= exit_code(error.kind())) {
                complain(error.message());
            } else {
                if (worst)
                    complain(worst->message());
                worst = error;
            }
        }
    }
    if (worst)
        throw Error(*worst);
}

void complain(std::string_view text) {
    std::string line = cat("lade: ", text, '\n');
    // Nothing can be done when stderr is closed.
    static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

} // namespace lade::cli
