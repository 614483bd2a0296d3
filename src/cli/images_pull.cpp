// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "base/error.hpp"
#include "cli/images.hpp"
#include "cli/limit_flags.hpp"
#include "cli/pull_flags.hpp"
#include "cli/unpacking.hpp"

namespace lade::cli {

namespace {

struct Flags {
    PullFlags pull;
    LimitFlags limits;
    bool no_unpack = false;
    bool print_chain_id = false;
    bool ignored = false;
    bool if_missing = false;
    bool if_newer = false;
    bool offline = false;
    std::string snapshotter;
};

transfer::PullPolicy policy_of(const Flags& flags) {
    if (flags.if_missing)
        return transfer::PullPolicy::if_missing;
    if (flags.if_newer)
        return transfer::PullPolicy::if_newer;
    return flags.offline ? transfer::PullPolicy::offline : transfer::PullPolicy::always;
}

void pull(Context& context, const Flags& flags) {
    transfer::PullOptions options = flags.pull.options(context);
    options.limits = flags.limits.limits;
    options.policy = policy_of(flags);
    if (!flags.no_unpack && !flags.pull.all_platforms)
        options.snapshotter = find_unpack_target(context, flags.snapshotter);
    const transfer::Pulled pulled = flags.pull.pull(context, options, "pulled");
    if (flags.print_chain_id && !context.json)
        for (const oci::ChainId& chain_id : pulled.chain_ids)
            context.print(cat("image chain ID: ", chain_id.string(), "\n"));
}

} // namespace

void add_pull(const Command& group, Context& context) {
    const Command command = group.add_command("pull", "fetch an image from its registry and unpack it");
    auto flags = std::make_shared<Flags>();
    flags->pull.add(command, context);
    command.add_option("--snapshotter", flags->snapshotter, "unpack with this snapshotter")
        .envname("CONTAINERD_SNAPSHOTTER");
    command.add_flag("--no-unpack", flags->no_unpack, "fetch only");
    const Option missing =
        command.add_flag("--if-missing", flags->if_missing, "ask nobody when all of it is in the store");
    const Option newer = command.add_flag("--if-newer", flags->if_newer, "ask for the digest, for more if it changed");
    command.add_flag("--offline", flags->offline, "ask nobody: all of it must be in the store")
        .excludes(missing)
        .excludes(newer);
    newer.excludes(missing);
    command.add_flag("--print-chainid", flags->print_chain_id, "print the chain ID of what was unpacked");
    command.add_flag("--local,--sync-fs", flags->ignored, "accepted for ctr; always so here").group("");
    flags->limits.add(command);
    command.runs(context, [&context, flags] { pull(context, *flags); });
}

} // namespace lade::cli
