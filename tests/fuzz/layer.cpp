// SPDX-License-Identifier: Apache-2.0
// Any bytes as a layer: the first says how it is applied, the rest is a tar. Whatever happens, nothing
// outside the root changes, and only an Error comes out.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "archive/applier.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "unit/temporary.hpp"

using namespace lade;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t block = 512;
constexpr std::size_t checksum_at = 148;
constexpr std::size_t checksum_size = 8;
constexpr std::size_t magic_at = 257;
constexpr std::string_view outside_text = "nothing may change this";

// A checksum that is right, or no change would ever get past it.
void mend_checksums(std::string& tar) {
    for (std::size_t at = 0; at + block <= tar.size(); at += block) {
        if (tar.compare(at + magic_at, 5, "ustar") != 0)
            continue;
        tar.replace(at + checksum_at, checksum_size, checksum_size, ' ');
        unsigned sum = 0;
        for (std::size_t i = at; i < at + block; ++i)
            sum += static_cast<unsigned char>(tar[i]);
        char text[checksum_size];
        std::snprintf(text, sizeof text, "%06o", sum % 01000000);
        tar.replace(at + checksum_at, checksum_size, text, checksum_size);
    }
}

// A root and its neighbour, on the temporary file system.
class Place {
public:
    Place() {
        ::umask(0);
        fs::create_directory(dir_.path("outside"));
        write_all(open_at(AT_FDCWD, dir_.path("outside/file"), O_WRONLY | O_CREAT, 0644).get(), as_bytes(outside_text),
                  "file");
        renew();
    }

    int root() const { return root_.get(); }

    void renew() {
        root_ = Fd();
        fs::remove_all(dir_.path("root"));
        fs::create_directory(dir_.path("root"));
        // What a lower layer may have left: ways out.
        fs::create_directory_symlink("../outside", dir_.path("root/out"));
        fs::create_directory_symlink("/", dir_.path("root/top"));
        fs::create_directory(dir_.path("root/dir"));
        root_ = open_at(AT_FDCWD, dir_.path("root"), O_RDONLY | O_DIRECTORY);
    }

    void check() const {
        const Fd file = open_at(AT_FDCWD, dir_.path("outside/file"), O_RDONLY);
        struct stat st {};
        if (::fstat(file.get(), &st) != 0 || (st.st_mode & 07777) != 0644 || st.st_nlink != 1 ||
            read_text(file.get(), block, "file") != outside_text)
            std::abort();
        for (const auto& [path, expected] : {std::pair(dir_.path("outside"), 1), std::pair(dir_.path(), 2)})
            if (std::distance(fs::directory_iterator(path), {}) != expected)
                std::abort();
    }

private:
    test::TemporaryDirectory dir_;
    Fd root_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static Place place;
    if (size == 0)
        return 0;
    std::string tar(reinterpret_cast<const char*>(data) + 1, size - 1);
    mend_checksums(tar);
    const archive::ApplyOptions options{
        .whiteouts = (data[0] & 1) != 0 ? archive::Whiteouts::overlay : archive::Whiteouts::plain,
        .privilege = (data[0] & 2) == 0 ? privilege() : Privilege::none,
    };
    try {
        StringSource source(tar);
        archive::Budget budget({.bytes = 4 * mib, .entries = 1000});
        archive::apply(source, place.root(), options, budget, {});
    } catch (const Error&) {
        // Refused: as good as applied.
    }
    place.check();
    place.renew();
    return 0;
}
