// SPDX-License-Identifier: Apache-2.0
#include "cli/digest_list.hpp"

#include <fcntl.h>

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/stream.hpp"
#include "base/text.hpp"
#include "cli/input.hpp"

namespace lade::cli {

namespace {

constexpr std::size_t max_digests = 200'000;
constexpr std::size_t longest_line = 1024;

class Lines {
public:
    explicit Lines(std::string file) : file_(std::move(file)) {}

    void add(std::string_view piece) {
        for (const char c : piece)
            if (c == '\n')
                end_line();
            else
                add(c);
    }
    std::set<oci::Digest> take() {
        end_line();
        return std::move(digests_);
    }

private:
    void add(char c) {
        if (line_.size() == longest_line)
            refuse();
        line_ += c;
    }

    void end_line() {
        const std::string_view text = trim(line_);
        if (!text.empty()) {
            const auto digest = oci::Digest::try_parse(text);
            if (!digest)
                refuse();
            digests_.insert(*digest);
            if (digests_.size() > max_digests)
                throw Error(ErrorKind::resource_exhausted, printable(file_), ": more than ", max_digests, " digests");
        }
        line_.clear();
        ++number_;
    }

    [[noreturn]] void refuse() const {
        throw Error(ErrorKind::invalid_argument, printable(file_), ", line ", number_, ": ",
                    printable(line_.substr(0, 80)), ": is no digest");
    }

    std::string file_;
    std::string line_;
    std::size_t number_ = 1;
    std::set<oci::Digest> digests_;
};

std::set<oci::Digest> read_all(Source& source, const std::string& what) {
    Lines lines(what);
    std::vector<std::byte> buffer(64 * kib);
    while (const std::size_t n = source.read(buffer))
        lines.add(as_text(std::span(buffer).first(n)));
    return lines.take();
}

} // namespace

std::set<oci::Digest> read_digest_list(const std::string& file, const std::stop_token& stop) {
    if (file == "-") {
        Input input(stop);
        return read_all(input, "standard input");
    }
    const Fd list = open_at(AT_FDCWD, file, O_RDONLY);
    FileSource source(list.get(), printable(file));
    return read_all(source, file);
}

} // namespace lade::cli
