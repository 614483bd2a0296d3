// SPDX-License-Identifier: Apache-2.0
// What the commands of the group `content` share. The larger ones have a unit of their own.
#pragma once

#include <string>

#include "cli/commands.hpp"
#include "oci/digest.hpp"

namespace lade::cli {

// A digest as an argument of any command: itself, or the start of one that the namespace has (store::get_digest). The
// store must exist; what can be no digest is invalid_argument all the same.
oci::Digest resolve_digest(Context& context, const std::string& text);

// The verbs that speak to a registry: fetch, fetch-object, fetch-blob.
void add_fetch(const Command& group, Context& context);
void add_push_object(const Command& group, Context& context);

} // namespace lade::cli
