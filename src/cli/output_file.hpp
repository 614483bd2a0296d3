// SPDX-License-Identifier: Apache-2.0
// A file that people asked for: it appears under its name when it is whole, and not before.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/stream.hpp"

namespace lade::cli {

class OutputFile final : public Sink {
public:
    // Nothing is there yet under `path`, or what is there stays meanwhile. It is written without a name where the file
    // system can do that, so that a killed process leaves nothing.
    explicit OutputFile(std::string path);
    // What was not kept goes.
    ~OutputFile() override;
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    void write(std::span<const std::byte> bytes) override;
    // On disk and under its name; a file of that name is replaced.
    void commit();

private:
    std::string path_;
    std::string name_;
    std::string temporary_; // its name meanwhile, "" where it has none
    Fd directory_;
    Fd file_;
};

} // namespace lade::cli
