// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/flat_images.hpp"
#include "cli/images.hpp"
#include "cli/json_list.hpp"

namespace lade::cli {

namespace {

using archive::EntryType;
using archive::FlatTree;

struct ListFlags {
    FlatFlags flat;
    std::string name;
    std::string path = "/";
    std::size_t depth = SIZE_MAX;
    bool zero = false;
};

// For eyes: the columns of `tar -tv`, wide enough for most.
std::string line_of(const FlatTree& tree, FlatTree::Id id, const std::string& path) {
    const FlatTree::Node& node = tree.node(id);
    const bool is_device = node.type == EntryType::char_device || node.type == EntryType::block_device;
    const std::string owner = cat(node.uid, '/', node.gid);
    const std::string size = is_device ? cat(node.major, ',', node.minor) : std::to_string(node.size);
    std::string text = cat(mode_text(node), ' ', owner, ' ');
    constexpr std::size_t width = 9; // of owner and size together, so that most sizes end in one column
    text.append(owner.size() + size.size() < width + 9 ? width + 9 - owner.size() - size.size() : 0, ' ');
    const auto time = rfc3339(Time(std::chrono::seconds(node.mtime.seconds)));
    text += cat(size, ' ', time.substr(0, 10), ' ', time.substr(11, 5), ' ', printable(path));
    if (node.type == EntryType::symlink)
        text += cat(" -> ", printable(tree.link(id)));
    return text + '\n';
}

// As a path of the image's root, however it was written.
std::string whole_path(const std::string& path) {
    std::string text = "/";
    for (const std::string& part : split(path, '/'))
        if (!part.empty() && part != ".") {
            if (text.size() > 1)
                text += '/';
            text += part;
        }
    return text;
}

void list_files(Context& context, const ListFlags& flags) {
    const OpenImage image(context, flags.flat, flags.name);
    const FlatTree& tree = image.tree();
    // A slash at the end asks for what a link leads to.
    const auto last = flags.path.ends_with('/') ? FlatTree::Last::followed : FlatTree::Last::itself;
    const auto top = doing([&] { return printable(flags.path); }, [&] { return tree.find(flags.path, last); });
    if (!top || (last == FlatTree::Last::followed && tree.node(*top).type != EntryType::directory))
        throw Error(ErrorKind::not_found, printable(flags.path), " not found");
    Lines lines(context.stop());
    JsonList list(lines);
    archive::FlatWalk walk(tree, *top, whole_path(flags.path));
    while (walk.next()) {
        if (walk.depth() > flags.depth)
            continue;
        if (context.json) {
            Json element = file_json(tree, walk.id());
            element["path"] = walk.path();
            list.add(element);
        } else if (flags.zero) {
            lines.add(walk.path());
            lines.add(std::string_view("\0", 1));
        } else if (context.quiet) {
            lines.add(printable(walk.path()));
            lines.add("\n");
        } else {
            lines.add(line_of(tree, walk.id(), walk.path()));
        }
    }
    if (context.json)
        list.finish();
    else
        lines.flush();
}

void add_ls_files(const Command& group, Context& context) {
    const Command command = group.add_command("ls-files", "list the files of an image without unpacking it");
    auto flags = std::make_shared<ListFlags>();
    command.add_option("ref", flags->name, "the image").required();
    command.add_option("path", flags->path, "the file, or directory with all below it");
    command.add_option("--depth", flags->depth, "so many levels below PATH; 0 is PATH alone").type_name("N");
    command.add_flag("-0,--null", flags->zero, "paths as they are, a NUL behind each");
    flags->flat.add(command, context);
    add_quiet(command, context, "print paths only");
    add_json(command, context);
    command.runs(context, [&context, flags] {
        doing([&] { return cat("image ", printable(flags->name)); }, [&] { list_files(context, *flags); });
    });
}

struct CatFlags {
    FlatFlags flat;
    std::string name;
    std::vector<std::string> paths;
};

void cat_files(Context& context, const CatFlags& flags) {
    const OpenImage image(context, flags.flat, flags.name);
    std::vector<FlatTree::Id> files;
    files.reserve(flags.paths.size());
    for (const std::string& path : flags.paths)
        files.push_back(transfer::get_file(image.tree(), path));
    Output output(context.stop());
    transfer::write_files(image.tree(), files, image.layers(), output, context.stop());
}

void add_cat(const Command& group, Context& context) {
    const Command command = group.add_command("cat", "print files of an image without unpacking it");
    auto flags = std::make_shared<CatFlags>();
    command.add_option("ref", flags->name, "the image").required();
    command.add_option("path", flags->paths, "the files, links followed inside the image").required();
    flags->flat.add(command, context);
    command.runs(context, [&context, flags] {
        doing([&] { return cat("image ", printable(flags->name)); }, [&] { cat_files(context, *flags); });
    });
}

} // namespace

void add_files(const Command& group, Context& context) {
    add_ls_files(group, context);
    add_cat(group, context);
}

} // namespace lade::cli
