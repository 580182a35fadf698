#include "server/cache_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hearth::server {

namespace {

constexpr int64_t kOften = 3;        // times that are no chance any more
constexpr int64_t kWorthATalk = 64;  // tokens that are read anew
constexpr size_t kMostClients = 512, kMostLines = 8;

// The element for which `is_it` holds, or a new one, moved to the front; the last ones go.
template <class T, class IsIt>
T& front_of(std::list<T>& list, size_t most, IsIt is_it, T made) {
    const auto found = std::ranges::find_if(list, is_it);
    if (found != list.end())
        list.splice(list.begin(), list, found);
    else
        list.push_front(std::move(made));
    if (list.size() > most) list.pop_back();
    return list.front();
}

}  // namespace

CacheReport CacheWatch::look(const PrefixReport& prefix, const Prompt& prompt, const Tokenizer& tokenizer) {
    CacheReport report{.prompt_tokens = prefix.prompt_tokens,
                       .cached_tokens = prefix.cached_tokens,
                       .disk_tokens = prefix.disk_tokens,
                       .known_tokens = prefix.common_tokens};
    if (!prefix.difference) return report;
    const auto token = [&](int32_t id) { return CacheReport::Token{id, std::string(tokenizer.piece(id, true))}; };
    CacheReport::Difference& difference = report.difference.emplace(CacheReport::Difference{});
    difference.at = prefix.difference->at;
    difference.prompt = token(prefix.difference->prompt_token);
    difference.kept = token(prefix.difference->kept_token);
    difference.age_seconds = prefix.difference->age_seconds;
    if (prompt.places) difference.place = prompt.places->at(difference.at);
    if (prefix.difference->resumes && prompt.counts) count(report, prompt);
    return report;
}

// The question itself is another one each time, and may be asked in the same form; what stands before it should stay.
void CacheWatch::count(CacheReport& report, const Prompt& prompt) {
    CacheReport::Difference& difference = *report.difference;
    const int64_t anew = report.prompt_tokens - report.cached_tokens;
    if (!difference.place || (difference.place->is_last && !difference.place->is_system) || anew < kWorthATalk) return;
    const auto [message, line] = std::pair(difference.place->message, difference.place->line);
    std::unique_lock lock(mutex_);
    const std::string key = prompt.partition + '\n' + prompt.model;
    Client& client = front_of(
        clients_, kMostClients, [&](const Client& one) { return one.key == key; }, Client{.key = key, .lines = {}});
    Line& seen = front_of(
        client.lines, kMostLines, [&](const Line& one) { return one.message == message && one.line == line; },
        Line{.message = message, .line = line});
    difference.times = ++seen.times;
    difference.is_volatile = seen.times >= kOften;
    if (!difference.is_volatile || std::exchange(seen.is_told, true) || !notice) return;
    lock.unlock();
    notice(
        fmt::format("{}: prompts of {} differ from earlier ones at line {} of messages[{}] again and again, so {} of "
                    "{} tokens were "
                    "read anew; put what changes behind what stays",
                    prompt.model, prompt.client, line, message, anew, report.prompt_tokens));
}

}  // namespace hearth::server
