// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/error.hpp"
#include "base/privilege.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"

namespace lade::cli {

namespace {

// execvp() says EACCES as soon as one directory of PATH may not be searched, whatever is in the others.
bool is_on_path(const std::string& name) {
    const char* path = std::getenv("PATH");
    const std::vector<std::string> directories = split(path == nullptr ? "" : path, ':');
    return name.find('/') != std::string::npos || std::ranges::any_of(directories, [&](const std::string& directory) {
               return ::access(cat(directory.empty() ? "." : directory, '/', name).c_str(), F_OK) == 0;
           });
}

// The program began the user namespace, if it took one, before it came here.
void unshare(Context& context, std::vector<std::string> arguments) {
    // What follows would not know whose child it is.
    context.outside.reset();
    if (!may_mount(privilege()))
        throw Error(ErrorKind::permission_denied,
                    context.less_privileged.value_or(
                        "making mounts private needs CAP_SYS_ADMIN, which this container's root has not"));
    if (context.less_privileged)
        complain("warning: " + *context.less_privileged);
    const std::string root = context.place();
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        throw_errno(errno, "make a mount namespace");
    if (arguments.empty()) {
        const char* shell = std::getenv("SHELL");
        arguments.emplace_back(shell == nullptr || *shell == '\0' ? "/bin/sh" : shell);
    }
    // The commands in there are root's: they would look for the store of root.
    ::setenv("LADE_ROOT", root.c_str(), 1);
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::umask(0022);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvp(argv[0], argv.data());
    const int error = errno;
    throw_errno(error == EACCES && !is_on_path(arguments.front()) ? ENOENT : error, "run ",
                printable(arguments.front()));
}

} // namespace

void add_unshare(const Command& app, Context& context) {
    const Command command =
        app.add_command("unshare", "run a command where mounts are private, as root of a namespace");
    auto arguments = std::make_shared<std::vector<std::string>>();
    command.add_option("command", *arguments, "the command and its arguments; a shell unless given");
    command.runs(context, [&context, arguments] { unshare(context, *arguments); });
}

} // namespace lade::cli
