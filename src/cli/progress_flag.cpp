// SPDX-License-Identifier: Apache-2.0
#include "cli/progress_flag.hpp"

#include <optional>

#include "cli/progress_display.hpp"

namespace lade::cli {

void ProgressFlag::add(const Command& command, Context& context, const std::string& about_quiet) {
    command.add_option("--progress", word, "auto, tty, plain, json or none").capture_default_str();
    add_quiet(command, context, about_quiet);
}

void ProgressFlag::show(Context& context, const std::function<void(transfer::Progress&)>& work,
                        const std::function<void(const transfer::Progress&)>& summarise) const {
    const ProgressMode mode = context.quiet ? ProgressMode::none : parse_progress_mode(word);
    transfer::Progress board;
    {
        std::optional<Context::WaitsToldTo> told;
        if (mode == ProgressMode::tty || mode == ProgressMode::json)
            told.emplace(context, [&](const std::string& text) { board.warn(text); });
        const ProgressDisplay display(board, mode);
        work(board);
    }
    if (summarise && (mode == ProgressMode::tty || mode == ProgressMode::plain))
        summarise(board);
}

} // namespace lade::cli
