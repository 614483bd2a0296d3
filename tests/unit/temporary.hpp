// SPDX-License-Identifier: Apache-2.0
// A directory of its own for each case, removed at its end.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace lade::test {

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "lade-test-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::string& path() const noexcept { return path_; }
    std::string path(const std::string& below) const { return path_ + "/" + below; }

private:
    std::string path_;
};

} // namespace lade::test
