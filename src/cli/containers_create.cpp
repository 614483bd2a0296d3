// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "cli/containers.hpp"
#include "cli/images.hpp"
#include "cli/limit_flags.hpp"
#include "cli/privilege.hpp"
#include "cli/progress_display.hpp"
#include "cli/snapshots.hpp"
#include "transfer/container.hpp"

namespace lade::cli {

namespace {

constexpr std::size_t max_file = 8 * mib;

struct Flags {
    std::string image; // or a root file system
    std::string id;
    std::vector<std::string> command;
    std::string config;
    std::string snapshotter;
    std::vector<std::string> snapshot_labels;
    std::vector<std::string> labels;
    std::vector<std::string> annotations;
    std::vector<std::string> mounts;
    std::vector<std::string> environment;
    std::string environment_file;
    std::string platform;
    std::string runtime = "io.containerd.runc.v2";
    std::string sandbox;
    std::optional<std::string> user;
    bool rootfs = false;
    oci::SpecOptions spec;
    LimitFlags limits;
};

std::string read_file(const std::string& path) {
    return read_text(open_at(AT_FDCWD, path, O_RDONLY).get(), max_file, path);
}

// A line each; empty ones and comments are none.
std::vector<std::string> environment_of(const Flags& flags) {
    std::vector<std::string> variables;
    if (!flags.environment_file.empty())
        for (const std::string& line : split(read_file(flags.environment_file), '\n'))
            if (!trim(line).empty() && !trim(line).starts_with('#'))
                variables.push_back(line);
    variables.insert(variables.end(), flags.environment.begin(), flags.environment.end());
    return variables;
}

oci::SpecOptions spec_of(const Context& context, const Flags& flags) {
    oci::SpecOptions spec = flags.spec;
    spec.id = flags.id;
    spec.name_space = context.name_space;
    spec.arguments = flags.command;
    spec.environment = environment_of(flags);
    for (const auto& [key, value] : parse_labels(flags.annotations))
        spec.annotations.emplace(key, value);
    for (const std::string& text : flags.mounts)
        spec.mounts.push_back(oci::parse_mount(text));
    return spec;
}

store::Container record_of(const Flags& flags, const std::string& id, std::string spec) {
    return {.id = id,
            .image = "",
            .labels = parse_labels(flags.labels),
            .runtime_name = flags.runtime,
            .runtime_options = std::nullopt,
            .spec = std::move(spec),
            .snapshotter = "",
            .snapshot_key = "",
            .extensions = {},
            .sandbox = flags.sandbox};
}

void create_from_config(Context& context, const Flags& flags) {
    // The only word there is.
    const std::string& id = flags.image;
    if (!flags.id.empty())
        throw Error(ErrorKind::invalid_argument, "with --config the id is all that is given");
    const std::string spec = read_file(flags.config);
    if (!parse_json(spec, flags.config).is_object())
        throw Error(ErrorKind::invalid_argument, flags.config, ": not a JSON object");
    store::Containers(context.store(), context.name_space).create(record_of(flags, id, spec));
}

void create_on_directory(Context& context, const Flags& flags) {
    oci::SpecOptions spec = spec_of(context, flags);
    spec.root = std::filesystem::absolute(flags.image).lexically_normal().string();
    spec.user = transfer::find_user(spec.root, flags.user.value_or(""));
    store::Containers(context.store(), context.name_space)
        .create(record_of(flags, flags.id, oci::make_runtime_spec({}, spec)));
}

void create_on_image(Context& context, const Flags& flags) {
    const std::string name = get_image(context, flags.image).name;
    transfer::ContainerOptions options{
        .id = flags.id,
        .image = name,
        .unpack = {.name_space = context.name_space,
                   .lease = context.lease,
                   .platform = flags.platform.empty() ? oci::host_platform() : oci::parse_platform(flags.platform),
                   .snapshotter = chosen_snapshotter(context, flags.snapshotter),
                   .directory = "",
                   .limits = flags.limits.limits},
        .snapshot_labels = parse_labels(flags.snapshot_labels),
        .labels = parse_labels(flags.labels),
        .runtime = flags.runtime,
        .sandbox = flags.sandbox,
        .user = flags.user,
        .spec = spec_of(context, flags)};
    context.store().open_snapshotter(options.unpack.snapshotter);
    require_usable(context, options.unpack.snapshotter);
    transfer::Progress progress;
    const ProgressDisplay display(progress, parse_progress_mode("auto"));
    transfer::create_container(context.store(), options, progress, context.stop());
}

void create(Context& context, const Flags& flags) {
    if (!flags.config.empty())
        return create_from_config(context, flags);
    if (flags.id.empty())
        throw Error(ErrorKind::invalid_argument, "an image and an id are needed (see containers create --help)");
    doing([&] { return cat("create ", printable(flags.id)); },
          [&] { flags.rootfs ? create_on_directory(context, flags) : create_on_image(context, flags); });
}

} // namespace

void add_container_create(const Command& group, Context& context) {
    const Command command = group.add_command("create", "record a container, with a snapshot of its image");
    auto flags = std::make_shared<Flags>();
    command.add_option("image", flags->image, "the image; with --config the id, and nothing else").required();
    command.add_option("id", flags->id, "the id of the container and its snapshot");
    command.add_option("command", flags->command, "what to run there, instead of the image's command");
    command.add_option("-c,--config", flags->config, "take this file as the runtime spec").type_name("FILE");
    command.add_flag("--rootfs", flags->rootfs, "IMAGE is the directory of a root file system");
    command.add_option("--snapshotter", flags->snapshotter, "the snapshotter").envname("CONTAINERD_SNAPSHOTTER");
    command.add_list("--snapshotter-label", flags->snapshot_labels, "a label of the snapshot, key=value");
    command.add_list("--label", flags->labels, "a label, key=value");
    command.add_option("--platform", flags->platform, "the platform of the image");
    command.add_option("--runtime", flags->runtime, "the name of the runtime").capture_default_str();
    command.add_option("--sandbox", flags->sandbox, "the sandbox it belongs to");

    oci::SpecOptions& spec = flags->spec;
    command.add_option("--cwd", spec.directory, "its working directory");
    command.add_list("--env", flags->environment, "a variable, K=V; K alone takes one away");
    command.add_option("--env-file", flags->environment_file, "variables, one a line").type_name("FILE");
    command.add_list("--annotation", flags->annotations, "an annotation of the spec, key=value");
    command.add_list("--mount", flags->mounts, "type=bind,src=PATH,dst=PATH,options=rbind:ro");
    command.add_flag("--net-host", spec.host_network, "the network of the host");
    command.add_flag("--privileged", spec.privileged, "all capabilities and devices");
    command.add_flag("--read-only", spec.read_only, "a root that is not written to");
    command.add_flag("-t,--tty", spec.terminal, "a terminal");
    command.add_list("--with-ns", spec.namespaces, "a namespace to join, type:path");
    command.add_flag("--allow-new-privs", spec.new_privileges, "set-user-id files have an effect");
    command.add_option("--memory-limit", spec.memory_limit, "bytes");
    command.add_option("--cpu-quota", spec.cpu_quota, "microseconds of each period");
    command.add_option("--cpu-period", spec.cpu_period, "microseconds");
    command.add_list("--cap-add", spec.added_capabilities, "a capability more");
    command.add_list("--cap-drop", spec.dropped_capabilities, "a capability less");
    command.add_option("--hostname", spec.hostname, "its host name");
    command.add_option("-u,--user", flags->user, "name or id of its user[:group]");
    command.add_option("--rootfs-propagation", spec.propagation, "of mounts at its root");
    flags->limits.add(command);
    command.runs(context, [&context, flags] { create(context, *flags); });
}

} // namespace lade::cli
