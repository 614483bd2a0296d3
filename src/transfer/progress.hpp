// SPDX-License-Identifier: Apache-2.0
// The board: the work writes facts on it, a screen may look at it. The work never knows who looks.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/stream.hpp"

namespace lade::transfer {

enum class Stage {
    waiting,
    resolving,
    resolved,
    downloading,
    downloaded,
    exists,
    uploading,
    uploaded,
    mounted,
    copying,
    copied,
    extracting,
    extracted,
    writing,
    written
};

// The word people see, e.g. "downloading".
std::string_view to_string(Stage stage) noexcept;
// True when nothing more happens in this stage by itself.
bool is_final(Stage stage) noexcept;

// One line of the board: a reference, a blob, a layer being unpacked or one being made. Written by one thread at a
// time, read by any.
class Item {
public:
    Item(std::string kind, std::string name, std::uint64_t total)
        : kind_(std::move(kind)), name_(std::move(name)), total_(total) {}

    const std::string& kind() const noexcept {
        return kind_;
    } // reference, index, manifest, config, layer, unpack, diff
    const std::string& name() const noexcept { return name_; } // the reference, the digest or the key
    std::uint64_t total() const noexcept { return total_; }    // bytes; 0 for unknown

    Stage stage() const noexcept { return stage_.load(std::memory_order_relaxed); }
    std::uint64_t offset() const noexcept { return offset_.load(std::memory_order_relaxed); }
    // Bytes that were there before this run: they count towards the end, not towards the rate.
    std::uint64_t resumed() const noexcept { return resumed_.load(std::memory_order_relaxed); }

    void set(Stage stage) noexcept { stage_.store(stage, std::memory_order_relaxed); }
    void set_offset(std::uint64_t offset) noexcept { offset_.store(offset, std::memory_order_relaxed); }
    void advance(std::uint64_t bytes) noexcept { offset_.fetch_add(bytes, std::memory_order_relaxed); }
    void set_resumed(std::uint64_t bytes) noexcept {
        resumed_.store(bytes, std::memory_order_relaxed);
        set_offset(bytes);
    }

private:
    std::string kind_;
    std::string name_;
    std::uint64_t total_;
    std::atomic<Stage> stage_ = Stage::waiting;
    std::atomic<std::uint64_t> offset_ = 0;
    std::atomic<std::uint64_t> resumed_ = 0;
};

// Counts on the board what passes.
class CountingSink final : public Sink {
public:
    CountingSink(Sink& inner, Item& item) : inner_(inner), item_(item) {}
    void write(std::span<const std::byte> bytes) override {
        inner_.write(bytes);
        item_.advance(bytes.size());
    }

private:
    Sink& inner_;
    Item& item_;
};

// The same of what is read.
class CountingSource final : public Source {
public:
    CountingSource(Source& inner, Item& item) : inner_(inner), item_(item) {}
    std::size_t read(std::span<std::byte> into) override {
        const std::size_t n = inner_.read(into);
        item_.advance(n);
        return n;
    }

private:
    Source& inner_;
    Item& item_;
};

class Progress {
public:
    // The item stays valid as long as the board.
    Item& add(std::string kind, std::string name, std::uint64_t total);
    // Something people should know, said once each however often it is told.
    void warn(std::string text);

    std::vector<const Item*> items() const;
    // The warnings from number `from` on.
    std::vector<std::string> warnings(std::size_t from) const;

private:
    mutable std::mutex mutex_;
    std::deque<Item> items_; // stable addresses
    std::deque<std::string> warnings_;
    std::set<std::string_view> told_; // of them
};

} // namespace lade::transfer
