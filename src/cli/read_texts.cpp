#include "cli/read_texts.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "cli/console.h"

namespace hearth::cli {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        if (lines.back().ends_with('\r')) lines.back().pop_back();
        begin = end + 1;
    }
    return lines;
}

Result<std::unique_ptr<Engine>> open_for_texts(const ModelOptions& options, const TextReader& reader,
                                               const std::vector<std::vector<int32_t>>& texts,
                                               const std::function<std::string(size_t)>& what) {
    EngineOptions engine = TRY(engine_options(options));
    const int64_t most = engine.context_tokens > 0 ? engine.context_tokens : reader.context_tokens();
    int64_t longest = 1;
    for (size_t i = 0; i < texts.size(); ++i) {
        const int64_t count = int64_t(texts[i].size());
        if (count == 0)
            return fail(ErrorKind::bad_request, what(i) + " has no tokens", "give some text, or leave it away");
        if (count > most)
            return fail(ErrorKind::bad_request,
                        fmt::format("{} has {} tokens, {} holds {}", what(i), count,
                                    engine.context_tokens > 0 ? "--ctx" : "the context of this model", most),
                        "cut it into pieces");
        longest = std::max(longest, count);
    }
    // Short texts share a pass: it has room for a few hundred tokens anyway.
    constexpr int64_t kRoom = 512;
    if (engine.context_tokens == 0) engine.context_tokens = std::max(longest, std::min(kRoom, reader.context_tokens()));
    // Texts that are read in one pass take no memory of their own; others hold their keys and values while they run.
    engine.sequences = std::clamp<int64_t>(int64_t(texts.size()), 1, reader.is_causal() ? 4 : kWholeTextsAtOnce);
    return open_engine(options, engine, false);
}

Result<> read_all(Engine& engine, std::vector<EmbedRequest> requests,
                  const std::function<Result<>(size_t index, const Event& last)>& on_done) {
    std::mutex mutex;
    std::condition_variable arrived;
    std::map<size_t, Event> finished;
    std::vector<RequestId> ids;
    size_t next = 0;  // the first whose end was not handed on
    const auto give_up = [&] {
        for (size_t i = next; i < ids.size(); ++i) engine.cancel(ids[i]);
        for (const RequestId id : ids) engine.wait(id);
    };
    const size_t count = requests.size();
    // As many at once as keep the engine busy: a queue of all would only be searched and stored.
    constexpr size_t kAhead = 256;
    for (; next < count; ++next) {
        for (size_t i = ids.size(); i < std::min(count, next + kAhead); ++i) {
            auto id = engine.submit(std::move(requests[i]), [&, i](const Event& event) {
                if (event.kind == Event::Kind::progress) return;
                std::lock_guard lock(mutex);
                finished.emplace(i, event);
                arrived.notify_one();
            });
            if (!id) {
                give_up();
                return std::unexpected(std::move(id).error());
            }
            ids.push_back(*id);
        }
        Event last;
        while (true) {
            std::unique_lock lock(mutex);
            arrived.wait_for(lock, std::chrono::milliseconds(30), [&] { return finished.contains(next); });
            if (was_interrupted()) {
                lock.unlock();
                give_up();
                return fail(ErrorKind::cancelled, "stopped");
            }
            if (const auto found = finished.find(next); found != finished.end()) {
                last = std::move(found->second);
                finished.erase(found);
                break;
            }
        }
        Result<> handled;
        if (last.kind == Event::Kind::failed)
            handled = std::unexpected(last.error);
        else
            handled = on_done(next, last);
        if (!handled) {
            give_up();
            return handled;
        }
    }
    for (const RequestId id : ids) engine.wait(id);  // no call of a request's `each_row` follows
    return {};
}

}  // namespace hearth::cli
