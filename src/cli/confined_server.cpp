#include "cli/confined_server.h"

#include <algorithm>
#include <filesystem>

#include "base/confinement.h"
#include "base/os.h"
#include "cli/console.h"
#include "cli/options.h"
#include "server/http/tls.h"

namespace hearth::cli {

namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 10000;

// "/home/me" itself, "/home", "/": who may read all of it may read the keys and letters of a person.
bool holds_a_home(const fs::path& folder) {
    std::error_code failed;
    const fs::path home = fs::weakly_canonical(environment("HOME"), failed), full = fs::canonical(folder, failed);
    if (full == "/" || failed) return true;
    const auto [end, unused] = std::mismatch(full.begin(), full.end(), home.begin(), home.end());
    return end == full.end();
}

// What the files of a model in parts have in common: "big-00001-of-00003.gguf" -> "big-".
std::string stem_of(const std::string& name) {
    const size_t part = name.rfind("-00001-of-");
    return part == std::string::npos ? name : name.substr(0, part + 1);
}

// Where a certificate or key lies, and where its link points to: what renews them puts others there.
std::vector<std::string> places_of_renewed(const std::string& path) {
    std::error_code failed;
    std::vector<std::string> places;
    for (const fs::path& file : {fs::absolute(path, failed), fs::canonical(path, failed)})
        places.push_back(holds_a_home(file.parent_path()) ? file.string() : file.parent_path().string());
    return places;
}

void notice_gaps(const std::vector<std::string>& gaps) {
    for (const std::string& gap : gaps) notice("hearth: " + gap);
}

}  // namespace

std::vector<std::string> places_of_model(const std::string& path) {
    std::error_code failed;
    std::vector<std::string> places;
    const bool is_folder = fs::is_directory(path, failed);
    const fs::path file = fs::absolute(path, failed), folder = is_folder ? file : file.parent_path();
    const bool is_wide = !is_folder && holds_a_home(folder);
    if (!is_wide) places.push_back(folder.string());
    const std::string stem = stem_of(file.filename().string());
    int seen = 0;
    for (fs::recursive_directory_iterator one(folder, failed), end; !failed && one != end && seen < kMostLinks;
         one.increment(failed), ++seen) {
        if (!is_folder || one.depth() > 1) one.disable_recursion_pending();
        if (!is_folder && !one->path().filename().string().starts_with(stem)) continue;
        std::error_code broken;
        if (one->is_symlink(broken)) {
            const fs::path target = fs::canonical(one->path(), broken);
            if (!broken) places.push_back(target.string());
        } else if (is_wide) {
            places.push_back(one->path().string());
        }
    }
    return places;
}

Result<> confine_server(const server::ServerOptions& options, const ServerPlaces& places) {
    Confinement confinement;
    for (const server::ModelSpec& model : options.models)
        for (std::string& place : places_of_model(model.path)) confinement.read.push_back(std::move(place));
    if (options.http.tls)
        for (const std::string& file : {options.http.tls->files().certificate, options.http.tls->files().key})
            for (std::string& place : places_of_renewed(file)) confinement.read.push_back(std::move(place));
    for (const std::string& place : own_directories())
        if (!place.empty()) confinement.write.push_back(place);
    if (!places.kept_texts.empty()) {
        confinement.write.push_back(places.kept_texts);
        confinement.read.emplace_back("/proc/self/exe");  // what another build wrote is not this one's
    }
    // Its folder, for a log that was moved away is begun anew; but not where the rest of the folder is a person's own.
    if (!places.access_log.empty()) {
        const fs::path file = fs::absolute(places.access_log), folder = file.parent_path();
        const bool is_alone = holds_a_home(folder);
        if (is_alone) notice("hearth: the access log lies among a person's own files: it must stay where it is");
        confinement.logs.push_back(is_alone ? file.string() : folder.string());
    }
    if (!options.http.unix_socket.empty()) {
        const fs::path folder = fs::absolute(options.http.unix_socket).parent_path();
        // A socket is removed in the end, and who may remove one file of a folder may remove all.
        if (holds_a_home(folder))
            return fail(ErrorKind::bad_request,
                        fmt::format("--unix-socket {} lies among a person's own files, which the server must not be "
                                    "able to remove",
                                    options.http.unix_socket),
                        "give the socket a folder of its own, or --no-confinement");
        confinement.sockets.push_back(folder.string());
    }
    notice_gaps(TRY(confine(confinement)));
    return {};
}

void forbid_connections() {
    notice_gaps(forbid_new_sockets());
}

}  // namespace hearth::cli
