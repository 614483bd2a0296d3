// SPDX-License-Identifier: Apache-2.0
// What the commands of the group `images` share. Each of the larger ones has a unit of its own.
#pragma once

#include <string>

#include "cli/commands.hpp"
#include "oci/manifest.hpp"
#include "store/images.hpp"

namespace lade::cli {

// The image by its name, as a reference or by its ID, as transfer::get_image() has it.
store::Image get_image(Context& context, const std::string& name);

// The key of what an image was mounted at, whatever the directory of the process is.
std::string key_of_place(const std::string& path);

Json to_json(const oci::Descriptor& descriptor);
Json to_json(const store::Image& image);

void add_pull(const Command& group, Context& context);
void add_import(const Command& group, Context& context);
// push, copy
void add_push(const Command& group, Context& context);
void add_unpack(const Command& group, Context& context);
void add_commit(const Command& group, Context& context);
// mount, unmount
void add_mounting(const Command& group, Context& context);
void add_inspect(const Command& group, Context& context);
// tag, label, rm, prune
void add_names(const Command& group, Context& context);
// check, usage
void add_checks(const Command& group, Context& context);
// diff
void add_image_diff(const Command& group, Context& context);
// ls-files, cat
void add_files(const Command& group, Context& context);
void add_export_rootfs(const Command& group, Context& context);
void add_referrers(const Command& group, Context& context);
// history, tree
void add_layers(const Command& group, Context& context);

} // namespace lade::cli
