// Folders and files that nobody but their owner may look into.
#pragma once

#include <string>

#include "base/result.h"

namespace hearth {

// With all parents that are missing (rights 0700). Folders that exist stay as they are: people may share them.
Result<> make_private_folder(const std::string& path);
// The same, and the folder itself must be ours: rights that others had on it go. For what nobody else may put there.
Result<> make_own_folder(const std::string& path);
// Whether make_own_folder could make it, or has; nothing is changed.
Result<> check_own_folder(const std::string& path);
// An empty file (rights 0600), or the one that exists, without any rights others had. Never opens it.
Result<> make_private_file(const std::string& path);
// Names in it last when the power goes; those of files and folders made above do. A file system that cannot promise
// that, or a folder that may not be read, is none we could do better on.
void sync_folder(const std::string& path);

}  // namespace hearth
