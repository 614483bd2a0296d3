// SPDX-License-Identifier: Apache-2.0
// What `--change` says about an image's config, in the words of a Dockerfile.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace lade::oci {

// Applies one instruction to `config`, the member of that name of an image's config: ENV, LABEL, CMD, ENTRYPOINT, USER,
// WORKDIR, EXPOSE, VOLUME, STOPSIGNAL, as "CMD [\"a\"]" or "CMD=a"; a command line that is no JSON array is one for
// /bin/sh -c. invalid_argument: any other, or one that is not understood, which it names.
void change_config(Json& config, const std::string& instruction);

// Words, as a shell tells them apart: by blanks, quotes and backslashes, and nothing more. invalid_argument: a quote
// that does not end.
std::vector<std::string> split_words(const std::string& text);

} // namespace lade::oci
