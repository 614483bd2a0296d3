// SPDX-License-Identifier: Apache-2.0
#include "cli/images_convert.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/json.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "cli/images.hpp"
#include "cli/progress_flag.hpp"
#include "oci/reference.hpp"
#include "transfer/convert.hpp"

namespace lade::cli {

namespace {

using transfer::LayerForm;

constexpr std::size_t max_record = 64 * mib;

struct Flags {
    std::string source;
    std::string target;
    bool uncompress = false;
    bool gzip = false;
    bool zstd = false;
    bool estargz = false;
    std::optional<int> level;
    std::string chunk_size;
    std::string record;
    bool oci = false;
    std::vector<std::string> platforms;
    bool all_platforms = false;
    std::uint64_t ratio = transfer::Limits{}.ratio;
    ProgressFlag progress;
};

LayerForm form_of(const Flags& flags) {
    if (flags.uncompress)
        return LayerForm::plain;
    if (flags.gzip)
        return LayerForm::gzip;
    if (flags.zstd)
        return LayerForm::zstd;
    return flags.estargz ? LayerForm::estargz : LayerForm::kept;
}

// What ctr-remote records: an object with a path in each line.
std::vector<std::string> read_record(const std::string& file) {
    return doing(file, [&] {
        const std::string text = read_text(open_at(AT_FDCWD, file, O_RDONLY).get(), max_record, file);
        std::vector<std::string> paths;
        std::size_t number = 0;
        for (const std::string& line : split(text, '\n')) {
            ++number;
            if (!trim(line).empty())
                paths.push_back(get_string(parse_object(line, cat("line ", number)), "path"));
        }
        return paths;
    });
}

std::optional<std::uint64_t> chunk_size_of(const Flags& flags) {
    if (flags.chunk_size.empty())
        return std::nullopt;
    auto size = parse_size(flags.chunk_size);
    if (!size || *size == 0)
        throw Error(ErrorKind::invalid_argument, "--estargz-chunk-size ", printable(flags.chunk_size),
                    ": not a size, as in 4MiB");
    return size;
}

transfer::ConvertOptions options_of(Context& context, const Flags& flags) {
    transfer::ConvertOptions options{.name_space = context.name_space,
                                     .lease = context.lease,
                                     .source = {},
                                     .name = oci::Reference::parse(flags.target).string(),
                                     .platforms = {},
                                     .layers = {.form = form_of(flags),
                                                .level = flags.level,
                                                .chunk_size = chunk_size_of(flags),
                                                .prioritized = {},
                                                .limits = {.ratio = flags.ratio}},
                                     .oci = flags.oci};
    if (!flags.record.empty())
        options.layers.prioritized = read_record(flags.record);
    for (const std::string& platform : flags.platforms)
        options.platforms.push_back(oci::parse_platform(platform));
    if (options.platforms.empty() && !flags.all_platforms)
        options.platforms.push_back(oci::host_platform());
    transfer::check(options.layers);
    options.source = get_image(context, flags.source).name;
    return options;
}

void convert(Context& context, const Flags& flags) {
    transfer::ConvertOptions options;
    std::optional<transfer::ConvertedImage> made;
    doing([&] { return cat("convert ", printable(flags.source)); },
          [&] {
              options = options_of(context, flags);
              flags.progress.show(context, [&](transfer::Progress& progress) {
                  made = transfer::convert_image(context.store(), options, progress, context.stop());
              });
          });
    if (made->replaced)
        complain(cat(options.name, " was ", *made->replaced, " before"));
    if (context.json)
        context.print_json({{"name", options.name},
                            {"target", to_json(made->target)},
                            {"converted_layers", made->layers},
                            {"replaced", made->replaced ? Json(made->replaced->string()) : Json()}});
    else
        context.print(cat(made->target.digest, '\n'));
}

} // namespace

void add_convert(const Command& group, Context& context) {
    const Command command = group.add_command("convert", "make an image with its layers in another form");
    needs_rows_only(command, context);
    auto flags = std::make_shared<Flags>();
    command.add_option("src", flags->source, "the image").required();
    command.add_option("dst", flags->target, "the new image's name, or the same").required();
    const Option plain = command.add_flag("--uncompress", flags->uncompress, "layers as plain tar");
    const Option gzip = command.add_flag("--gzip", flags->gzip, "layers compressed with gzip");
    const Option zstd = command.add_flag("--zstd", flags->zstd, "with zstd, in an OCI image");
    const Option estargz = command.add_flag("--estargz", flags->estargz, "as eStargz, in an OCI image");
    gzip.excludes(plain);
    zstd.excludes(plain).excludes(gzip);
    estargz.excludes(plain).excludes(gzip).excludes(zstd);
    command.add_option("--level", flags->level, "gzip and eStargz 1 to 9, zstd 1 to 22").type_name("N");
    command.add_option("--estargz-chunk-size", flags->chunk_size, "a larger file is in several chunks; 4MiB")
        .type_name("SIZE")
        .needs(estargz);
    command.add_option("--estargz-record-in", flags->record, "files that come first, as ctr-remote records them")
        .type_name("FILE")
        .needs(estargz);
    command.add_flag("--oci", flags->oci, "media types of OCI in place of docker's");
    const Option platforms =
        command.add_list("--platform", flags->platforms, "keep this platform; may be repeated; else this machine's");
    command.add_flag("--all-platforms", flags->all_platforms, "keep all platforms").excludes(platforms);
    command.add_option("--max-ratio", flags->ratio, "of a layer to its compressed size").capture_default_str();
    flags->progress.add(command, context);
    add_json(command, context);
    command.runs(context, [&context, flags] { convert(context, *flags); });
}

} // namespace lade::cli
