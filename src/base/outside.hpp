// SPDX-License-Identifier: Apache-2.0
// A way back for a process that is going to be root of a user namespace: programs that know the user by number, or by
// the sockets of a session, are of no use in there.
#pragma once

#include <sys/types.h>

#include <mutex>
#include <stop_token>

#include "base/fd.hpp"
#include "base/program.hpp"

namespace lade {

// A process that stays where this one is now and runs programs there for it. It ends with this one.
class Outside {
public:
    // The process must have one thread.
    Outside();
    ~Outside();
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;

    // As ask_program(), from any thread, one at a time. After an error of kind cancelled it is of no more use.
    ProgramReply ask(const ProgramCall& call, const std::stop_token& stop);

private:
    std::mutex mutex_;
    Fd line_;
    pid_t pid_ = -1;
};

} // namespace lade
