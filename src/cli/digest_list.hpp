// SPDX-License-Identifier: Apache-2.0
// A file of digests, one on each line, as content ls -q prints them.
#pragma once

#include <set>
#include <stop_token>
#include <string>

#include "oci/digest.hpp"

namespace lade::cli {

// "-" is standard input. Blank lines count for nothing. invalid_argument names a line that is no digest;
// resource_exhausted: more than 200,000 of them; not_found: the file.
std::set<oci::Digest> read_digest_list(const std::string& file, const std::stop_token& stop);

} // namespace lade::cli
