// The engine: takes requests of tokens, answers with a stream of events: tokens that follow, or one row that sums a
// text up. One thread of its own runs all sequences together. It knows tokens and a Guide; channels, templates and
// schemas live above it, tensors below.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cache/prefix_report.h"
#include "engine/guide.h"
#include "engine/loop_detector.h"
#include "engine/options.h"
#include "engine/sampler.h"
#include "files/checkpoint.h"
#include "models/model.h"
#include "ops/measuring_ops.h"
#include "ops/timed_ops.h"
#include "text/tokenizer.h"

namespace hearth {

enum class FinishReason : uint8_t {
    end,          // the model chose an end-of-generation token, or the guide is done
    stop_string,  // one of request.stop appeared
    max_tokens,   // request.max_tokens were generated
    context,      // the context is full
    loop,         // the model repeats itself without end
    cancelled,
};
std::string_view name_of(FinishReason reason);

struct Usage {
    int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
    double queue_seconds = 0;   // before the first pass
    double prompt_seconds = 0;  // until the first token was chosen
    double decode_seconds = 0;  // from the first to the last token
};

struct Event {
    enum class Kind : uint8_t {
        // `tokens_done` prompt tokens are in the cache, `seconds` after the request began to run; of the usage: how
        // long it waited and what was cached
        progress,
        token,   // one was chosen: id, the text that may be shown now (maybe none yet), guide events
        finish,  // the last event: reason and usage
        failed,  // the last event: error
    } kind = Kind::token;
    int64_t tokens_done = 0;
    double seconds = 0;
    int32_t token = -1;
    std::string text;
    float logprob = 0;
    std::vector<TokenLogprob> top;
    GuideEvents guide;
    FinishReason reason = FinishReason::end;
    std::string stop_string;       // which one, with reason stop_string
    std::optional<Loop> loop;      // what repeats, with reason loop
    std::vector<float> embedding;  // the pooled row, with `finish` of an EmbedRequest
    Usage usage;
    PrefixReport prefix;  // of the last event: what the cache knew of the prompt
    Error error;
};

struct Request {
    std::vector<int32_t> tokens;  // the prompt; at least one
    SamplerOptions sampling;
    int64_t max_tokens = -1;  // -1: until the context is full
    std::vector<std::string> stop;
    bool ignore_end = false;  // go on after end-of-generation tokens (bench, inspect)
    bool detect_loops = true;
    bool reuse = true;  // continue where an earlier request with the same beginning left off
    // Requests find what others of their partition left in the cache, and of those of other partitions only what these
    // made public: so many of their first tokens.
    std::string partition;
    int64_t public_tokens = 0;
    std::unique_ptr<Guide> guide;
    std::vector<int64_t> boundaries;  // ascending: a pass ends after each of these many prompt tokens
    // Ascending: where later prompts may part from this one, such as borders between messages and the reply's opening.
    // What is cached is always found; this says where states are saved, as far as options leave room for them.
    std::vector<int64_t> keep_at;
    // Logits of every prompt token and of every generated one that is fed back, in order; on the engine's thread.
    std::function<void(int64_t position, std::span<const float> logits)> logits;
};

// A text that is read for what the model makes of it instead of for its continuation; nothing is sampled.
struct EmbedRequest {
    std::vector<int32_t> tokens;  // at least one
    RowKind rows = RowKind::hidden;
    Pooling pooling = Pooling::mean;  // over the tokens of the text; Event::embedding of the last event is the result
    // The rows of all tokens before they are pooled, in order; on the engine's thread.
    std::function<void(int64_t position, std::span<const float> row)> each_row;
};

// How busy an engine is.
struct EngineLoad {
    int64_t running = 0, waiting = 0;  // requests with a place, and those that wait for one or were set aside
    // Pages of the context that running requests fill, and how many there are for all places. What is kept of earlier
    // requests does not count: it goes when somebody needs the room.
    int64_t pages_used = 0, pages = 0, page_tokens = 0;
    double cache_usage() const { return pages > 0 ? double(pages_used) / double(pages) : 0; }
};

using RequestId = uint64_t;
// One call at a time, from the engine's thread, the last one perhaps from whoever calls cancel(). Must return soon and
// must not call the engine.
using EventSink = std::function<void(const Event&)>;

class Engine {
public:
    static Result<std::unique_ptr<Engine>> open(const std::string& path, const EngineOptions& options);
    static Result<std::unique_ptr<Engine>> open(Checkpoint checkpoint, const EngineOptions& options);
    ~Engine();  // cancels what still runs

    // Thread-safe. A request that cannot run at all (empty, too long, token ids out of range, senseless options) is
    // refused here; otherwise the sink gets events up to exactly one `finish` or `failed`.
    Result<RequestId> submit(Request request, EventSink sink);
    Result<RequestId> submit(EmbedRequest request, EventSink sink);
    void cancel(RequestId id);  // its last event follows at once; unknown or finished ids are ignored
    // Takes its place in the cache from a request that generates, at the end of the pass that runs: others get it. What
    // it has read is kept as that of finished texts is; once it goes on, what was lost meanwhile is read again, and its
    // tokens are the same. False, and nothing happens: it is over, unknown, set aside already, or cannot be.
    bool set_aside(RequestId id);
    bool go_on(RequestId id);  // waits for a place; false: it is over, or was not set aside
    // Waits until nothing of a request is used any more: no event and no call of its `logits` or `each_row` follows.
    // (After cancel the pass that runs may still hand out rows.)
    void wait(RequestId id);

    // Writes what memory keeps of finished texts into options.cache_directory, the last used first, while no request
    // runs. Returns when that is done, after so many seconds, or when `gives_up`, which is asked all the while, says
    // so.
    void save_kept(double seconds, const std::function<bool()>& gives_up = {});

    const ModelInfo& model() const;
    const Tokenizer& tokenizer() const;
    const Checkpoint& checkpoint() const;
    const MemoryPlan& plan() const;        // what was announced
    MemoryPlan taken() const;              // what the ledger says was taken
    const EngineOptions& options() const;  // with the choices that were left open filled in
    std::string device() const;            // "cpu avx512, 2 threads"
    EngineLoad load() const;               // thread-safe; does not wait for the pass that runs
    // Time per op since the last call, with options.profile; empty otherwise. Only while nothing runs.
    std::vector<OpTime> take_profile();
    // Squares of the inputs of all products since the last call, with options.measure_inputs. Only while nothing runs.
    InputSquaresByWeight take_input_squares();
    double bytes_per_token(int64_t depth) const;  // weights, KV and state that one decoded token reads and writes
    double operations_per_token() const { return model().operations_per_token; }

private:
    class Impl;
    explicit Engine(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hearth
