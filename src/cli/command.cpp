// SPDX-License-Identifier: Apache-2.0
#include "cli/command.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <optional>
#include <type_traits>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/context.hpp"

namespace lade::cli {

Option Option::required() const {
    option_->required();
    return *this;
}

Option Option::type_name(const std::string& name) const {
    option_->type_name(name);
    return *this;
}

Option Option::group(const std::string& heading) const {
    option_->group(heading);
    return *this;
}

Option Option::envname(const std::string& variable) const {
    option_->envname(variable);
    return *this;
}

Option Option::excludes(Option other) const {
    option_->excludes(other.option_);
    return *this;
}

Option Option::needs(Option other) const {
    option_->needs(other.option_);
    return *this;
}

Option Option::capture_default_str() const {
    option_->capture_default_str();
    return *this;
}

Option Option::default_str(const std::string& text) const {
    option_->default_str(text);
    return *this;
}

Option Option::one_of(const std::vector<std::string>& words) const {
    option_->check(CLI::IsMember(words));
    return *this;
}

Option Option::between(int least, int most) const {
    option_->check(CLI::Range(least, most));
    return *this;
}

Option Option::positive() const {
    // Without a text of its own in the help.
    option_->check(CLI::Validator(
        [](const std::string& text) {
            return text.find_first_not_of('0') == std::string::npos ? std::string("has to be 1 at least")
                                                                    : std::string();
        },
        ""));
    return *this;
}

Option Option::as_size() const {
    option_->transform(CLI::AsSizeValue(false).description(""));
    return *this;
}

Option Option::size_between(std::uint64_t least, std::uint64_t most, const std::string& about) const {
    option_->check(CLI::Range(least, most, about));
    return *this;
}

bool Option::is_named(const std::string& name) const {
    return option_->check_name(name);
}

std::string Option::name() const {
    return option_->get_name();
}

namespace {

template <typename Value>
struct WithoutSign : std::is_unsigned<Value> {};
template <typename Value>
struct WithoutSign<std::optional<Value>> : std::is_unsigned<Value> {};

std::string refuse_sign(const std::string& text) {
    return text.starts_with('-') ? cat(printable(text), " is negative") : std::string();
}

} // namespace

template <typename Value>
Option Command::add_option(const std::string& names, Value& into, const std::string& about) const {
    CLI::Option* option = app_->add_option(names, into, about);
    if (WithoutSign<Value>::value)
        option->check(CLI::Validator(refuse_sign, ""));
    return Option(*option);
}

Option Command::add_flag(const std::string& names, bool& into, const std::string& about) const {
    return Option(*app_->add_flag(names, into, about));
}

Option Command::add_list(const std::string& names, std::vector<std::string>& into, const std::string& about) const {
    return Option(*app_->add_option(names, into, about)->allow_extra_args(false));
}

Command Command::add_command(const std::string& name, const std::string& about,
                             const std::vector<std::string>& aliases) const {
    CLI::App* command = app_->add_subcommand(name, about);
    for (const std::string& alias : aliases)
        command->alias(alias);
    command->fallthrough();
    return Command(*command);
}

Command Command::add_group(const std::string& name, const std::string& about,
                           const std::vector<std::string>& aliases) const {
    const Command group = add_command(name, about, aliases);
    group.app_->require_subcommand(0, 1);
    return group;
}

void Command::runs(Context& context, std::function<void()> work) const {
    app_->callback([&context, work = std::move(work)] { context.command = work; });
}

void Command::when_chosen(std::function<void()> decide) const {
    app_->callback(std::move(decide));
}

void Command::before_options(std::function<void()> decide) const {
    app_->preparse_callback([decide = std::move(decide)](std::size_t /*arguments*/) { decide(); });
}

std::vector<Option> Command::given() const {
    std::vector<Option> given;
    for (CLI::Option* option : app_->get_options())
        if (option->count() > 0)
            given.emplace_back(*option);
    return given;
}

template Option Command::add_option(const std::string&, std::string&, const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<std::string>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::string>&, const std::string&) const;
template Option Command::add_option(const std::string&, unsigned&, const std::string&) const;
template Option Command::add_option(const std::string&, std::uint64_t&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<int>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<unsigned>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::int64_t>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::uint64_t>&, const std::string&) const;

} // namespace lade::cli
