// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sys/stat.h>

int main(int argc, char** argv) {
    // As main.cpp of the program does.
    ::umask(0);
    return doctest::Context(argc, argv).run();
}
