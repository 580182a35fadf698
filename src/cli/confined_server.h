// What `hearth serve` still needs once it runs, and giving up the rest.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "server/server.h"

namespace hearth::cli {

// What must stay readable so that the model at `path` can be loaded, and loaded again: its folder, and the files behind
// the links in it (Hugging Face's cache is made of links). Of a folder in which the home directory lies only the
// model's own files.
std::vector<std::string> places_of_model(const std::string& path);

// What it writes beside its own directories; "": nothing.
struct ServerPlaces {
    std::string access_log;  // a file
    std::string kept_texts;  // a folder, which exists
};

// Before there are threads. Says on stderr what the system cannot do.
Result<> confine_server(const server::ServerOptions& options, const ServerPlaces& places);
// Once everything listens.
void forbid_connections();

}  // namespace hearth::cli
