// SPDX-License-Identifier: Apache-2.0
// Files as a tar: owned by root, without a time, so that the same files give the same bytes.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/stream.hpp"
#include "transfer/archive_contents.hpp"

namespace lade::transfer {

// In one go, for whoever reads along. Directories stand before what is in them. data_loss: a blob is damaged.
void write_archive(const std::vector<Member>& members, Sink& sink, const std::stop_token& stop);

// The same bytes into an empty file, of which several parts are written at the same time. `what` names it in errors.
void write_archive(const std::vector<Member>& members, int file, const std::string& what, const std::stop_token& stop);

} // namespace lade::transfer
