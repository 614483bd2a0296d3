// SPDX-License-Identifier: Apache-2.0
#include "base/process.hpp"

#include <fcntl.h>

#include <cstddef>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace lade {

namespace {

constexpr std::size_t longest_text = 16U << 20U;
constexpr std::size_t longest_command = 200;

std::string command_of(const std::string& process) {
    std::vector<std::string> shown;
    bool after_option = false;
    for (const std::string& word : split(text_in_proc(cat("/proc/", process, "/cmdline")), '\0')) {
        const bool is_option = word.starts_with('-');
        if (!word.empty() && !is_option && !after_option)
            shown.push_back(shown.empty() ? word.substr(word.rfind('/') + 1) : word);
        after_option = is_option && word.find('=') == std::string::npos;
    }
    return printable(join(shown, " ").substr(0, longest_command));
}

} // namespace

std::vector<std::string> process_ids() {
    std::vector<std::string> ids = names_in_proc("/proc");
    std::erase_if(ids, [](const std::string& name) { return !parse_number(name); });
    return ids;
}

std::string text_in_proc(const std::string& path) {
    std::string text;
    attempt([&] { text = find_text(AT_FDCWD, path, longest_text).value_or(""); });
    return text;
}

std::vector<std::string> names_in_proc(const std::string& path) {
    std::vector<std::string> names;
    attempt([&] { names = list_directory(AT_FDCWD, path); });
    return names;
}

std::string describe_process(const std::string& id) {
    const std::string command = command_of(id);
    return cat("process ", id, command.empty() ? "" : cat(" (", command, ')'));
}

} // namespace lade
