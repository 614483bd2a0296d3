// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "store/snapshots.hpp"

namespace lade::cli {

namespace {

// One line per flag whose values are known, like those of commands.
std::string values() {
    std::string lines;
    const auto add = [&](const char* flag, const std::vector<std::string_view>& words) {
        lines += cat(flag, '\t', join({words.begin(), words.end()}, " "), '\n');
    };
    add("--snapshotter", snapshot::snapshotter_names());
    add("--progress", {"auto", "tty", "plain", "json", "none"});
    add("--media-type",
        {"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
         "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar.gzip"});
    return lines;
}

// One line per command: the words that lead to it, a tab, and what may follow them.
void describe(const CLI::App& command, const std::string& path, std::string& into) {
    std::vector<std::string> words;
    const auto below = command.get_subcommands([](const CLI::App*) { return true; });
    words.reserve(below.size());
    for (const CLI::App* sub : below)
        words.push_back(sub->get_name());
    for (const CLI::App* level = &command; level != nullptr; level = level->get_parent())
        for (const CLI::Option* option : level->get_options())
            // Options without a group are accepted, not advertised.
            if (!option->get_group().empty())
                for (const std::string& name : option->get_lnames())
                    // Every level has its --help.
                    if (std::ranges::find(words, "--" + name) == words.end())
                        words.push_back("--" + name);
    into += cat(path, '\t', join(words, " "), '\n');
    for (const CLI::App* sub : below) {
        std::vector<std::string> names = sub->get_aliases();
        names.push_back(sub->get_name());
        for (const std::string& name : names)
            describe(*sub, path.empty() ? name : cat(path, ' ', name), into);
    }
}

// The words typed so far are looked up in the table; flags do not lead anywhere. Flags are offered where one is begun;
// where nothing else is to be offered the shell completes names of files.
constexpr std::string_view bash = R"sh(_lade() {
    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]} path= i line offer= value= without=
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -*) ;;
            *) line="${path:+$path }${COMP_WORDS[i]}"; [[ $'\n'$_lade_table == *$'\n'"$line"$'\t'* ]] && path=$line ;;
        esac
    done
    while IFS= read -r line; do
        [[ $line == "$path"$'\t'* ]] && offer=${line#*$'\t'}
        [[ $last == --* && $line == "$last"$'\t'* ]] && value=${line#*$'\t'}
    done <<<"$_lade_table"
    [[ $word == -* ]] || without='-*'
    mapfile -t COMPREPLY < <(compgen -W "${value:-$offer}" -X "$without" -- "$word")
}
complete -o default -F _lade lade
)sh";

constexpr std::string_view zsh = R"sh(_lade() {
    local path_= word line last=${words[CURRENT-1]}
    local -a offer value
    for word in ${words[2,CURRENT-1]}; do
        [[ $word == -* ]] && continue
        line="${path_:+$path_ }$word"
        [[ $'\n'$_lade_table == *$'\n'"$line"$'\t'* ]] && path_=$line
    done
    for line in "${(@f)_lade_table}"; do
        [[ $line == "$path_"$'\t'* ]] && offer=(${=line#*$'\t'})
        [[ $last == --* && $line == "$last"$'\t'* ]] && value=(${=line#*$'\t'})
    done
    [[ $PREFIX == -* ]] || offer=(${offer:#-*})
    (( $#value )) && offer=($value)
    if (( $#offer )); then compadd -- $offer; else _files; fi
}
if [[ $funcstack[1] == _lade ]]; then _lade "$@"; else compdef _lade lade; fi
)sh";

constexpr std::string_view fish = R"sh(function __lade_words
    set -l path ''
    set -l last (commandline -opc)[-1]
    if string match -q -- '--*' $last; and string match -q -- "$last"\t'*' $__lade_table
        set path $last
    else
        for word in (commandline -opc)[2..]
            string match -q -- '-*' $word; and continue
            set -l next (string trim -- "$path $word")
            string match -q -- "$next"\t'*' $__lade_table; and set path $next
        end
    end
    for line in $__lade_table
        string match -q -- "$path"\t'*' $line; and string split ' ' -- (string split -m 1 \t -- $line)[2]
    end
end
complete -c lade -a '(__lade_words)'
)sh";

std::string script(std::string_view shell, const std::string& table) {
    if (shell == "bash")
        return cat("_lade_table='", table, "'\n", bash);
    if (shell == "zsh")
        return cat("#compdef lade\n_lade_table='", table, "'\n", zsh);
    std::string lines = "set -g __lade_table";
    for (const std::string& line : split(std::string_view(table).substr(0, table.size() - 1), '\n'))
        lines += cat(" \\\n    '", line, '\'');
    return cat(lines, '\n', fish);
}

} // namespace

void add_completion(const Command& app, Context& context) {
    const Command command = app.add_command("completion", "print the completion script of a shell");
    needs_rows_only(command, context);
    auto shell = std::make_shared<std::string>();
    command.add_option("shell", *shell, "bash, zsh or fish").required().one_of({"bash", "zsh", "fish"});
    command.runs(context, [app, &context, shell] {
        std::string table;
        describe(app.app(), "", table);
        table += values();
        context.print(script(*shell, table));
    });
}

} // namespace lade::cli
