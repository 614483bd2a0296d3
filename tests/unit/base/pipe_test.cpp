// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/pipe.hpp"
#include "unit/kind_of.hpp"

using namespace lade;

namespace {

std::string read_all(Pipe& pipe, std::size_t at_once) {
    std::string text;
    std::vector<std::byte> buffer(at_once);
    while (const std::size_t n = pipe.read(buffer, {}))
        text.append(as_text(std::span(buffer).first(n)));
    return text;
}

} // namespace

TEST_SUITE("pipe") {
    TEST_CASE("more than the pipe holds comes through, in any pieces") {
        std::string text;
        for (int i = 0; i < 5000; ++i)
            text += std::to_string(i);
        for (const std::size_t capacity : {1U, 7U, 4096U})
            for (const std::size_t at_once : {1U, 13U, 100'000U}) {
                Pipe pipe(capacity);
                std::thread writer([&] {
                    for (std::size_t i = 0; i < text.size(); i += 100)
                        pipe.write(as_bytes(std::string_view(text).substr(i, 100)), {});
                    pipe.close();
                });
                CHECK(read_all(pipe, at_once) == text);
                writer.join();
            }
    }

    TEST_CASE("what the writer failed with comes behind what it wrote") {
        Pipe pipe(10);
        pipe.write(as_bytes(std::string_view("abc")), {});
        pipe.fail(std::make_exception_ptr(Error(ErrorKind::data_loss, "spoilt")));
        std::vector<std::byte> buffer(10);
        CHECK(pipe.read(buffer, {}) == 3);
        CHECK(test::kind_of([&] { pipe.read(buffer, {}); }) == ErrorKind::data_loss);
    }

    TEST_CASE("a stop ends the wait on either side") {
        Pipe pipe(2);
        std::stop_source stop;
        std::optional<ErrorKind> writers;
        std::thread writer(
            [&] { writers = test::kind_of([&] { pipe.write(as_bytes(std::string_view("abc")), stop.get_token()); }); });
        stop.request_stop();
        writer.join();
        CHECK(writers == ErrorKind::cancelled);
        Pipe empty(2);
        std::vector<std::byte> buffer(1);
        CHECK(test::kind_of([&] { empty.read(buffer, stop.get_token()); }) == ErrorKind::cancelled);
    }
}
