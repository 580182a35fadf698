#include "engine/loaded_model.h"

#include <algorithm>

#include "base/os.h"
#include "base/text_format.h"
#include "engine/plan.h"
#include "engine/vocabulary.h"
#include "files/gguf.h"
#include "huggingface/directory.h"

namespace hearth {

namespace {

// The context nobody asked for: as large as fits half of what is free, so that the machine stays usable. The pages of a
// mapped file want to stay in that half too.
Result<int64_t> choose_context(Planner& planner, int64_t free_bytes) {
    const int64_t half = TRY(planner.largest_context(free_bytes / 2 - planner.mapped_bytes()));
    if (half > 0) return half;
    // The weights alone take more than half. Then a modest context in all there is, rather than nothing.
    constexpr int64_t kModest = 4096;
    return std::min(kModest, TRY(planner.largest_context(free_bytes)));
}

std::unexpected<Error> not_enough_memory(Planner& planner, int64_t context, double needed_bytes, int64_t free_bytes) {
    auto fits = planner.largest_context(free_bytes);
    if (!fits) return std::unexpected(std::move(fits).error());
    const std::string beside = planner.mapped_bytes() > 0 ? fmt::format(" beside the {} that stay in the file",
                                                                        bytes_text(uint64_t(planner.mapped_bytes())))
                                                          : "";
    return fail(
        ErrorKind::out_of_memory,
        fmt::format("this model with a context of {} tokens needs {}{}, {} are free", context,
                    bytes_text(uint64_t(std::min(needed_bytes, 1e18))), beside, bytes_text(uint64_t(free_bytes))),
        *fits >= kSmallestContext ? fmt::format("use --ctx {} or --kv q8_0", *fits)
                                  : "use a smaller model or a smaller quantisation");
}

Result<> check_options(const EngineOptions& options) {
    if (options.context_tokens < 0 || options.sequences < 1 || options.step_tokens < 1 || options.snapshots < 0 ||
        options.threads < 0 || options.cache_bytes < 0 || options.cache_disk_bytes < 0 || options.snapshot_every < 1)
        return fail(ErrorKind::bad_request,
                    fmt::format("{} sequences, {} tokens of context, {} tokens per pass, {} bytes of cache and {} on "
                                "disk, {} snapshots, "
                                "one every {} tokens, and {} threads make no sense together",
                                options.sequences, options.context_tokens, options.step_tokens, options.cache_bytes,
                                options.cache_disk_bytes, options.snapshots, options.snapshot_every, options.threads),
                    "use at least one sequence, one token per pass and per snapshot, and nothing below zero");
    return {};
}

// Everything outside the device that grows with the vocabulary: the tokenizer's tables, the metadata they were read
// from, and the rows of logits on their way through the sampler.
int64_t bytes_for_vocabulary(const LoadedModel& loaded, int64_t vocabulary) {
    constexpr int64_t kSamplerBytes = 50;     // of work space per token of the vocabulary, once
    constexpr int64_t kPieceCache = 1 << 20;  // of the thread that tokenises
    int64_t header = int64_t(loaded.checkpoint.format().total_bytes);
    for (const StoredTensor& tensor : loaded.checkpoint.tensors()) header -= tensor.bytes();
    const int64_t rows = 2 * loaded.options.sequences;  // read from the device, and waiting to be sampled
    return int64_t(loaded.tokenizer->memory_bytes()) + kPieceCache + header +
           vocabulary * (kSamplerBytes + rows * int64_t(sizeof(float)));
}

// Pages of a mapped file are made ready while the tokenizer is read: a first pass that has to ask for each of them
// takes nearly twice as long. Not where they would drive each other out of memory.
void read_pages(const Checkpoint& checkpoint, const std::stop_token& stop) {
    constexpr size_t kPiece = size_t{4} << 20;
    if (checkpoint.format().total_bytes > memory_available_bytes()) return;
    for (const StoredTensor& tensor : checkpoint.tensors()) {
        if (!checkpoint.is_mapped(tensor)) continue;
        for (size_t at = 0; at < tensor.data.size(); at += kPiece) {
            if (stop.stop_requested() || !checkpoint.check_whole()) return;
            MappedFile::touch(tensor.data.subspan(at, std::min(kPiece, tensor.data.size() - at)));
        }
    }
}

}  // namespace

Result<Checkpoint> open_checkpoint(const std::string& path) {
    if (huggingface::is_directory(path)) return std::move(TRY(huggingface::open_directory(path)).checkpoint);
    return open_gguf(path);
}

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(Checkpoint checkpoint, const EngineOptions& options) {
    TRY(check_options(options));
    auto loaded = std::make_unique<LoadedModel>();
    loaded->checkpoint = std::move(checkpoint);
    loaded->options = options;

    const int64_t free_bytes = options.memory_bytes > 0 ? options.memory_bytes : int64_t(memory_available_bytes());
    if (options.mmap)
        loaded->page_reader = std::jthread(
            [&checkpoint = loaded->checkpoint](const std::stop_token& stop) { read_pages(checkpoint, stop); });
    // The family's report first: a wrong architecture matters more than a missing tokenizer.
    auto planner = TRY(Planner::make(loaded->checkpoint, options));
    loaded->tokenizer = TRY(load_tokenizer(loaded->checkpoint));
    if (loaded->tokenizer->size() > planner->info().vocabulary)
        return fail(ErrorKind::bad_file,
                    fmt::format("the tokenizer has {} tokens, the embedding table only {} rows",
                                loaded->tokenizer->size(), planner->info().vocabulary),
                    "download or convert the model again");
    if (options.mmap && planner->mapped_bytes() == 0)
        return fail(ErrorKind::unsupported,
                    "no weight of this model lies in a file as it is used, so --mmap has nothing to use",
                    "start without --mmap, or write the model to a GGUF file first");
    const int64_t vocabulary_bytes = bytes_for_vocabulary(*loaded, planner->info().vocabulary);
    planner->set_tokenizer_bytes(vocabulary_bytes);
    loaded->ledger.take(MemoryUse::tokenizer, vocabulary_bytes);

    if (!options.weights_as_stored && !TRY(planner->fits(free_bytes))) {
        EngineOptions smaller = options;
        smaller.weights_as_stored = true;
        auto other = TRY(Planner::make(loaded->checkpoint, smaller));
        other->set_tokenizer_bytes(vocabulary_bytes);
        planner = std::move(other);  // also when it does not fit: then it knows best what would
        loaded->options.weights_as_stored = true;
    }
    int64_t context = options.context_tokens;
    if (context == 0) context = std::max(kSmallestContext, TRY(choose_context(*planner, free_bytes)));
    if (!planner->info().is_causal) {
        // Such models know no more positions than they were trained on.
        const int64_t most = planner->info().context_tokens;
        if (options.context_tokens > most)
            return fail(ErrorKind::bad_request,
                        fmt::format("a context of {} tokens is more than the {} this model can read",
                                    options.context_tokens, most),
                        fmt::format("use --ctx {} or less", most));
        context = std::min(context, most);
    }
    const CacheOptions cache_options = planner->cache_options(context);
    loaded->options.context_tokens = context;
    loaded->options.step_tokens = cache_options.step_tokens;
    if (const double least = planner->least_bytes(context); least > double(free_bytes))
        return not_enough_memory(*planner, context, least, free_bytes);
    loaded->plan = TRY(planner->plan(context));
    loaded->plan.weights_as_stored = loaded->options.weights_as_stored;
    if (const int64_t total = loaded->plan.total(); total > free_bytes)
        return not_enough_memory(*planner, context, double(total), free_bytes);

    TRY(loaded->checkpoint.check_whole());
    loaded->backend = TRY(make_backend(loaded->options, loaded->ledger, false));
    loaded->model = TRY(load_model(loaded->checkpoint, *loaded->backend, options.progress, context));
    TRY(loaded->backend->reserve_scratch(loaded->plan.scratch));
    loaded->cache = TRY(Cache::make(*loaded->backend, loaded->model->needs(), cache_options));
    return loaded;
}

MemoryPlan LoadedModel::taken() const {
    return {.weights = ledger.bytes(MemoryUse::weights),
            .kv = ledger.bytes(MemoryUse::kv),
            .state = ledger.bytes(MemoryUse::state),
            .scratch = ledger.bytes(MemoryUse::scratch),
            .tokenizer = ledger.bytes(MemoryUse::tokenizer),
            .mapped = ledger.bytes(MemoryUse::mapped),
            .context_tokens = options.context_tokens,
            .weights_as_stored = options.weights_as_stored};
}

}  // namespace hearth
