// SPDX-License-Identifier: Apache-2.0
// The data of some entries of a layer, for those who know from a FlatTree where it lies.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

#include "archive/tar.hpp"
#include "base/stream.hpp"

namespace lade::archive {

class EntryData {
public:
    // `tar` must outlive it.
    explicit EntryData(Source& tar) : tar_(tar) {}

    // All data of the file that is entry number `entry`, counted from 0, its holes as zeros. Numbers must rise from
    // call to call. data_loss: there is no such entry, or its size is another one.
    void copy(std::uint32_t entry, std::uint64_t size, Sink& sink, const std::stop_token& stop);
    // Reads the tar to its very end, so that whoever verifies it has seen all of it.
    void finish(const std::stop_token& stop);

private:
    TarReader tar_;
    std::uint64_t read_ = 0; // entries so far
};

// Lets `work` read the tar of layer number `layer`, from its begin to its very end, and fails when that is not what the
// image says it is.
using ReadLayer = std::function<void(std::uint32_t layer, const std::function<void(Source& tar)>& work)>;

} // namespace lade::archive
