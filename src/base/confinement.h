// Gives up what the program will not need, so that whoever takes it over through a hostile file or request gets little:
// no files but those named, no other programs, in the end no new connections. None of it can be taken back.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hearth {

// Paths that do not exist are left out. What the C library reads by itself (time zones, names of hosts, its own state
// below /proc/self, figures of the machine) can always be read.
struct Confinement {
    std::vector<std::string> read;     // files, and folders with all that is in them
    std::vector<std::string> write;    // likewise, and files can be made, changed and removed there
    std::vector<std::string> logs;     // folders where files can be made and written to, but neither read nor removed
    std::vector<std::string> sockets;  // folders where Unix sockets can be made and removed
};

// Of the whole process and all threads that it will have, so call it before there are any. Afterwards a forbidden file
// is EACCES, a forbidden call EPERM or the end of the process; sockets can be opened for streams and for looking up
// names. Returns a line for each thing that this system cannot do, which then is not confined.
Result<std::vector<std::string>> confine(const Confinement& confinement);

// From here on, in all threads, no new sockets: those that listen go on to accept. Returns what could not be done.
std::vector<std::string> forbid_new_sockets();

}  // namespace hearth
