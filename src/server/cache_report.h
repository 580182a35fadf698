// Why a prompt was read again: what of it was known from memory or disk, and the first token that was not, with the
// message and line it stands in. Watches over all requests of a client where its prompts part from earlier ones: a time
// of day in a system text has everything behind it read anew with every request, and nobody sees why.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "chat/prompt_places.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace hearth::server {

struct CacheReport {
    struct Token {
        int32_t id = -1;
        std::string text;  // perhaps a part of a character
    };
    struct Difference {
        int64_t at = 0;  // tokens before it are the same
        Token prompt, kept;
        double age_seconds = 0;                          // of the kept text
        std::optional<chat::PromptPlaces::Place> place;  // none: in no message's words
        // How often prompts of this client parted there, only to go on as before; 0: this one does not.
        int64_t times = 0;
        bool is_volatile = false;  // too often for chance
    };
    int64_t prompt_tokens = 0, cached_tokens = 0, disk_tokens = 0;
    int64_t known_tokens = 0;  // longest beginning that is kept; more than cached_tokens where no state was saved
    std::optional<Difference> difference;
};

// Thread-safe.
class CacheWatch {
public:
    struct Prompt {
        std::string partition, client;  // who asks, and how a person calls them
        std::string model;
        const chat::PromptPlaces* places = nullptr;
        bool counts = true;  // false: another answer to a prompt that was counted
    };
    // Told once for every client and line that too much is read anew because of it. No words of a prompt.
    std::function<void(const std::string&)> notice;

    CacheReport look(const PrefixReport& prefix, const Prompt& prompt, const Tokenizer& tokenizer);

private:
    struct Line {
        int64_t message = 0, line = 0, times = 0;
        bool is_told = false;
    };
    struct Client {
        std::string key;
        std::list<Line> lines;  // the last seen first
    };
    void count(CacheReport& report, const Prompt& prompt);

    std::mutex mutex_;
    std::list<Client> clients_;  // likewise
};

}  // namespace hearth::server
