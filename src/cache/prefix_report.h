// What was known of the beginning of a prompt, for who wants to know why it was read again.
#pragma once

#include <cstdint>
#include <optional>

namespace hearth {

struct PrefixReport {
    // Where the kept text that goes along furthest parts from the prompt.
    struct Difference {
        int64_t at = 0;  // tokens before it are the same
        int32_t prompt_token = -1, kept_token = -1;
        double age_seconds = 0;  // of the kept text at that place
        // A few tokens further both texts are the same again: something in the middle was changed, a date perhaps.
        bool resumes = false;

        bool operator==(const Difference&) const = default;
    };

    int64_t prompt_tokens = 0;
    int64_t cached_tokens = 0;  // were not computed again ...
    int64_t disk_tokens = 0;    // ... and of these were read from a disk for this prompt
    int64_t common_tokens = 0;  // longest beginning that is kept; more than cached_tokens where no state was saved
    std::optional<Difference> difference;  // none: one of them ends where the other goes on
};

}  // namespace hearth
