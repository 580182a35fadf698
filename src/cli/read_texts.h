// Many texts through one engine: what embed, rerank, imatrix share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "engine/texts.h"

namespace hearth::cli {

// Lines of a text; a last line break opens no further line. Line ends of Windows are line ends.
std::vector<std::string> lines_of(const std::string& text);

// Texts that share a pass where each is read in one: more would only wait.
inline constexpr int64_t kWholeTextsAtOnce = 32;

// Opens the model with a context for the longest of the texts (or the one that was asked for) and for several texts at
// once. A text that is too long is refused before anything is loaded; `what` names it: "line 3".
Result<std::unique_ptr<Engine>> open_for_texts(const ModelOptions& options, const TextReader& reader,
                                               const std::vector<std::vector<int32_t>>& texts,
                                               const std::function<std::string(size_t)>& what);

// Reads all of them and hands out their last events in order, each as soon as it is there. Ctrl-C and an error of
// `on_done` cancel the rest.
Result<> read_all(Engine& engine, std::vector<EmbedRequest> requests,
                  const std::function<Result<>(size_t index, const Event& last)>& on_done);

}  // namespace hearth::cli
