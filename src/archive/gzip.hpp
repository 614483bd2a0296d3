// SPDX-License-Identifier: Apache-2.0
// The two inflaters. Both read the same streams and refuse the same ones; which is used is a matter of
// speed.
#pragma once

#include <memory>

#include "base/stream.hpp"

namespace lade::archive {

// Any number of gzip members in a row as one stream. `compressed` must outlive the result.
std::unique_ptr<Source> gunzip_zlib(Source& compressed);
#ifdef LADE_HAVE_ISAL
std::unique_ptr<Source> gunzip_isal(Source& compressed);
#endif

} // namespace lade::archive
