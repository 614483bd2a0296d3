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

void add_pull(CLI::App& group, Context& context);
void add_import(CLI::App& group, Context& context);
// push, copy
void add_push(CLI::App& group, Context& context);
void add_unpack(CLI::App& group, Context& context);
void add_commit(CLI::App& group, Context& context);
// mount, unmount
void add_mounting(CLI::App& group, Context& context);
void add_inspect(CLI::App& group, Context& context);
// tag, label, rm, prune
void add_names(CLI::App& group, Context& context);
// check, usage
void add_checks(CLI::App& group, Context& context);
// diff
void add_image_diff(CLI::App& group, Context& context);
// ls-files, cat
void add_files(CLI::App& group, Context& context);
void add_export_rootfs(CLI::App& group, Context& context);
void add_referrers(CLI::App& group, Context& context);
// history, tree
void add_layers(CLI::App& group, Context& context);

} // namespace lade::cli
