// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <memory>

#include "base/error.hpp"
#include "base/new_file.hpp"
#include "base/text.hpp"
#include "base/umask.hpp"
#include "cli/flat_images.hpp"
#include "cli/images.hpp"
#include "cli/output.hpp"
#include "cli/snapshots.hpp"

namespace lade::cli {

namespace {

struct Flags {
    FlatFlags flat;
    std::string name;
    std::string output;
};

void export_rootfs(Context& context, const Flags& flags) {
    const auto write = [&](Sink& sink) {
        const OpenImage image(context, flags.flat, flags.name);
        tell_warnings(transfer::write_rootfs(image.tree(), image.layers(), sink, context.stop()));
    };
    if (flags.output == "-") {
        if (::isatty(STDOUT_FILENO) == 1)
            throw Error(ErrorKind::invalid_argument, "standard output is a terminal: redirect it, or name a file");
        Output output(context.stop());
        return write(output);
    }
    require_replaceable(flags.output);
    const Place place = open_place(flags.output);
    NewFile file(place.directory.get(), place.name, 0666U & ~user_umask());
    FileSink sink(file.fd(), flags.output);
    write(sink);
    file.commit(true);
}

} // namespace

void add_export_rootfs(const Command& group, Context& context) {
    const Command command = group.add_command("export-rootfs", "write the root file system of an image as one tar");
    auto flags = std::make_shared<Flags>();
    command.add_option("ref", flags->name, "the image").required();
    command.add_option("out", flags->output, "the file, or - for standard output").required();
    flags->flat.add(command, context);
    command.runs(context, [&context, flags] {
        doing([&] { return cat("export ", printable(flags->name)); }, [&] { export_rootfs(context, *flags); });
    });
}

} // namespace lade::cli
