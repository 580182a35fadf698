// Gemma 4 against recorded logits, and what is its own: rows from media towers, windows that move on, the model that
// drafts from its keys.
#include <algorithm>
#include <sstream>

#include "models/drafter.h"
#include "models/family_gates.h"
#include "ops/timed_ops.h"

namespace hearth {
namespace {

using test::describe;
using test::EditedFile;
using test::expect_words;

// GELU: the recorded runs look it up in a table of half-precision values, which is worth up to 9e-4 here.
const test::FamilyGates kGemma4{.folder = "gemma4",
                                .float_files = {"g4-e2b", "g4-31b", "g4-26b"},
                                .quantised_files = {"g4-q-Q4_K_M", "g4-26b-Q8_0"},
                                .equal_bits = {"g4-e2b", "g4-26b", "g4-q-Q4_K_M"},
                                .bound = 1e-3};

FAMILY_TESTS(Gemma4, kGemma4)

// A piece of a prompt: tokens, or rows a media tower made.
struct Piece {
    std::vector<int32_t> tokens;
    std::vector<float> rows;
    bool is_bidirectional = false;
};

struct Rows {
    std::vector<float> hidden, logits;
};

// The model walked by hand, with steps that the engine cannot make yet.
class Walk {
public:
    explicit Walk(const std::string& path, const test::RunOptions& options = {}) {
        const auto made = make(path, options);
        EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().line());
        is_ready_ = made.has_value();
    }
    bool is_ready() const { return is_ready_; }
    const Model& model() const { return *model_; }
    Backend& backend() { return *backend_; }
    Cache& cache() { return *cache_; }
    size_t vocabulary() const { return size_t(model_->info().vocabulary); }

    // One pass over some pieces, as long as the sequence has been already.
    Rows run(SequenceId id, std::span<const Piece> pieces) {
        Step step;
        step.serial = ++serial_;
        int64_t tokens = 0;
        std::vector<float> embeddings;
        const int64_t width = model_->info().hidden;
        for (const Piece& piece : pieces) {
            const int64_t past = cache_->length(id) + tokens, rows = int64_t(piece.rows.size()) / width;
            for (const int32_t token : piece.tokens) step.source.push_back(token);
            for (int64_t row = 0; row < rows; ++row)
                step.source.push_back(int32_t(-1 - (int64_t(embeddings.size()) / width + row)));
            embeddings.insert(embeddings.end(), piece.rows.begin(), piece.rows.end());
            const int64_t count = int64_t(piece.tokens.size()) + rows;
            step.span_end.insert(step.span_end.end(), size_t(count), piece.is_bidirectional ? past + count : 0);
            tokens += count;
        }
        SequenceStep sequence;
        EXPECT_TRUE(cache_->prepare(id, tokens, sequence));
        for (int64_t i = 0; i < tokens; ++i) {
            const int64_t place = sequence.past + i;
            step.sequence.push_back(0);
            step.kv_index.push_back(place);
            step.positions.push_back({place, place, place, 0});
        }
        step.sequences.push_back(std::move(sequence));
        Ops& ops = backend_->ops();
        const Scratch scratch = ops.scratch();
        if (!embeddings.empty())
            step.embeddings = *backend_->upload(embeddings, int64_t(embeddings.size()) / width, width);
        const Tensor x = model_->embed(ops, step), side_input = model_->side_input(ops, x, step);
        for (int64_t layer = 0; layer < model_->info().layers; ++layer) {
            LayerState state = cache_->layer(layer);
            state.side_input = side_input;
            model_->layer(layer, ops, x, state, step);
        }
        cache_->commit(id, tokens);
        return {read(model_->hidden(ops, x)), read(model_->head(ops, x))};
    }
    std::vector<float> read(Tensor rows) {
        std::vector<float> values(size_t(rows.count()));
        backend_->read(rows, values.data());
        return values;
    }

private:
    Result<> make(const std::string& path, const test::RunOptions& options) {
        checkpoint_ = TRY(open_gguf(path));
        backend_ = TRY(
            make_backend({.device = options.device, .isa = options.isa, .threads = options.threads}, ledger_, false));
        model_ = TRY(load_model(checkpoint_, *backend_));
        TRY(backend_->reserve_scratch(int64_t{64} << 20));
        cache_ = TRY(
            Cache::make(*backend_, model_->needs(), {.kv_type = options.kv, .context_tokens = 1024, .sequences = 2}));
        return {};
    }
    bool is_ready_ = false;
    uint64_t serial_ = 0;
    Checkpoint checkpoint_;
    MemoryLedger ledger_;
    std::unique_ptr<Backend> backend_;
    std::unique_ptr<Model> model_;
    std::unique_ptr<Cache> cache_;
};

std::vector<Piece> read_pieces(const std::string& name) {
    std::vector<Piece> pieces;
    int media = 0;
    for (const std::string& line : test::read_lines(kGemma4.file(name, ".chunks.txt"))) {
        std::istringstream words(line);
        std::string kind, count, attention;
        words >> kind;
        if (kind.empty()) continue;
        Piece& piece = pieces.emplace_back();
        if (kind == "text") {
            for (int32_t id; words >> id;) piece.tokens.push_back(id);
        } else {
            words >> count >> attention;
            piece.rows = test::read_floats(kGemma4.file(name, fmt::format(".media{}.f32", media++)));
            piece.is_bidirectional = attention == "bidirectional";
        }
    }
    return pieces;
}

struct MediaRun {
    std::string name, model;
};
const std::vector<MediaRun> kMediaRuns{
    {"e2b-image", "g4-e2b"}, {"e2b-image-audio", "g4-e2b"}, {"31b-image", "g4-31b"}, {"12b-image-audio", "g4-31b"}};

// Rows of an image see each other and are not scaled as tokens are; what the second table says of them stands in its
// row 0.
TEST(Gemma4, RowsFromMediaTowersOnEveryRow) {
    NEED_SHARED("reference/gemma4");
    for (const auto& [name, model] : kMediaRuns) {
        const auto pieces = read_pieces(name);
        const auto greedy = test::read_ids(kGemma4.file(name, ".greedy.txt"));
        const auto theirs = test::read_floats(kGemma4.file(name, ".prompt_logits.f32"));
        const auto after = test::read_floats(kGemma4.file(name, ".greedy_logits.f32"));
        for (const test::RunOptions& options : test::every_row()) {
            Walk walk(kGemma4.file(model, ".gguf"), options);
            ASSERT_TRUE(walk.is_ready());
            const SequenceId id = *walk.cache().open();
            const auto ours = walk.run(id, pieces).logits;
            ASSERT_EQ(ours.size(), theirs.size()) << name;
            EXPECT_LE(test::relative_rms(ours, theirs), kGemma4.bound) << name << " " << describe(options);
            RecordProperty(name + " " + describe(options), std::to_string(test::relative_rms(ours, theirs)));
            const auto last = std::span(ours).last(walk.vocabulary());
            EXPECT_EQ(std::ranges::max_element(last) - last.begin(), greedy[0]) << name;
            const Piece answer{.tokens = greedy, .rows = {}};
            EXPECT_LE(test::relative_rms(walk.run(id, std::span(&answer, 1)).logits, after), kGemma4.bound) << name;
            // Piece by piece: the same bits.
            const SequenceId other = *walk.cache().open();
            std::vector<float> cut;
            for (const Piece& piece : pieces) {
                const auto rows = walk.run(other, std::span(&piece, 1)).logits;
                cut.insert(cut.end(), rows.begin(), rows.end());
            }
            EXPECT_TRUE(test::same_bits(ours, cut)) << name << " " << describe(options);
        }
    }
}

TEST(Gemma4, WindowsMoveOn) {
    NEED_SHARED("reference/gemma4");
    const auto ids = kGemma4.all_ids("g4-e2b");
    std::vector<int32_t> text;
    while (text.size() < 500) text.insert(text.end(), ids.begin(), ids.end());
    text.resize(500);
    for (const char* device : {"reference", "cpu"}) {
        test::ModelRun run(kGemma4.file("g4-e2b", ".gguf"), {.device = device});
        ASSERT_TRUE(run.is_ready());
        ASSERT_EQ(run.cache().groups(), 2);
        const auto whole = run.logits(text, {512});
        for (const int64_t chunk : {1, 50}) {
            const SequenceId id = *run.cache().open();
            EXPECT_TRUE(test::same_bits(whole, run.logits(text, {chunk}, id))) << device << " " << chunk;
            // Of 500 tokens the windows of 16 hold what lies in the last page; the others hold all.
            for (int64_t group = 0; group < 2; ++group) {
                const int64_t window = run.cache().layer(group == 0 ? 0 : 3).kv->geometry.window;
                const int64_t used = run.cache().pages(group) - run.cache().free_pages(group);
                EXPECT_EQ(used, window > 0 ? 1 : 8) << device;
            }
            run.cache().close(id);
        }
    }
}

// Layers that keep nothing only see the rows somebody wants, with the same bits; and nobody else's passes them.
TEST(Gemma4, OnlyWantedRowsGoThroughTheTail) {
    NEED_SHARED("reference/gemma4");
    const auto ids = kGemma4.all_ids("g4-e2b");
    for (const char* device : {"reference", "cpu"}) {
        Walk walk(kGemma4.file("g4-e2b", ".gguf"), {.device = device});
        ASSERT_TRUE(walk.is_ready());
        TimedOps ops(walk.backend().ops());
        Forward forward(walk.model(), walk.cache(), walk.backend(), &ops);
        const size_t tokens = ids.size();
        const auto rows_of = [&](std::span<const int64_t> wanted) {  // two sequences, of all and of half the tokens
            std::vector<ForwardPart> parts;
            for (const int64_t count : wanted)
                parts.push_back(
                    {*walk.cache().open(), std::span(ids).first(parts.empty() ? tokens : tokens / 2), count});
            std::vector<std::vector<float>> rows(2 * tokens);
            EXPECT_TRUE(forward.run(parts, [&](int64_t part, int64_t token, std::span<const float> row) {
                rows[size_t(part) * tokens + size_t(token)].assign(row.begin(), row.end());
            }));
            for (const ForwardPart& part : parts) walk.cache().close(part.sequence);
            return rows;
        };
        const int64_t everything[] = {int64_t(tokens), int64_t(tokens / 2)};
        const auto all = rows_of(everything);
        const int64_t cases[][2] = {{1, 0}, {0, 1}, {5, 1}, {int64_t(tokens), 3}, {int64_t(tokens), 0}, {0, 0}};
        for (const auto& wanted : cases) {
            ops.reset();
            const auto some = rows_of(wanted);
            for (size_t row = 0; row < some.size(); ++row) {
                const size_t part = row / tokens, size = part == 0 ? tokens : tokens / 2, token = row % tokens;
                const bool is_wanted = token < size && token >= size - size_t(wanted[part]);
                EXPECT_TRUE(is_wanted ? test::same_bits(some[row], all[row]) : some[row].empty())
                    << device << " " << wanted[0] << " " << wanted[1] << ": row " << row;
            }
            const auto attention = std::ranges::find(ops.times(), "attention", &OpTime::name);
            ASSERT_NE(attention, ops.times().end());
            EXPECT_EQ(attention->calls, wanted[0] + wanted[1] > 0 ? 8 : 4);
        }
    }
}

// A guess goes through the GELUs of the trunk, then of the drafter, and starts from the guess before.
constexpr double kGuessBound = 3e-3;

// All guesses are made at the first open position, from the trunk's keys in front of it.
Rows guess(Walk& trunk, const Drafter& drafter, SequenceId id, int32_t token, std::span<const float> before) {
    Step step;
    SequenceStep sequence;
    EXPECT_TRUE(trunk.cache().prepare(id, 0, sequence));
    const int64_t place = std::exchange(sequence.past, sequence.past - 1);
    sequence.tokens = 1;
    step.sequence = {0};
    step.kv_index = {place};
    step.positions = {{place, place, place, 0}};
    step.source = {token};
    step.span_end = {0};
    step.sequences.push_back(std::move(sequence));
    Ops& ops = trunk.backend().ops();
    const Scratch scratch = ops.scratch();
    const Tensor x = drafter.embed(ops, *trunk.backend().upload(before, 1, int64_t(before.size())), step);
    const auto layers = drafter.trunk_layers();
    for (size_t layer = 0; layer < layers.size(); ++layer)
        drafter.layer(int64_t(layer), ops, x, trunk.cache().layer(layers[layer]), step);
    return {trunk.read(drafter.hidden(ops, x)), trunk.read(drafter.head(ops, x))};
}

TEST(Gemma4Drafter, RecordedGuessesOnEveryRow) {
    NEED_SHARED("reference/gemma4");
    for (const std::string model : {"e2b", "31b"}) {
        const std::string name = "g4-draft-" + model;
        const auto recorded = [&](const char* what) { return test::read_floats(kGemma4.file(name, what)); };
        const auto tokens = test::read_ids(kGemma4.file(name, ".draft.txt"));
        const auto logits = recorded(".draft_logits.f32"), hidden = recorded(".draft_h.f32");
        for (const test::RunOptions& options : test::every_row()) {
            Walk trunk(kGemma4.file("g4-" + model, ".gguf"), options);
            ASSERT_TRUE(trunk.is_ready());
            const Checkpoint checkpoint = *open_gguf(kGemma4.file(name, ".gguf"));
            EXPECT_TRUE(has_drafter(checkpoint));
            const auto drafter = load_drafter(checkpoint, trunk.backend(), trunk.model());
            ASSERT_TRUE(drafter.has_value()) << drafter.error().line();

            const Piece prompt{.tokens = test::read_ids(kGemma4.file("g4-" + model, ".tokens.txt")), .rows = {}};
            const SequenceId id = *trunk.cache().open();
            const Rows rows = trunk.run(id, std::span(&prompt, 1));
            EXPECT_LE(test::relative_rms(rows.hidden, recorded(".target_h.f32")), kGemma4.bound) << name;

            const auto width = size_t(trunk.model().info().hidden), vocabulary = trunk.vocabulary();
            std::vector<float> before(rows.hidden.end() - int64_t(width), rows.hidden.end());
            std::vector<float> all_logits;
            for (size_t i = 0; i + 1 < tokens.size(); ++i) {
                const Rows step = guess(trunk, **drafter, id, tokens[i], before);
                const auto best = std::ranges::max_element(step.logits) - step.logits.begin();
                EXPECT_EQ(best, tokens[i + 1]) << name << " " << describe(options) << " guess " << i;
                EXPECT_LE(test::relative_rms(step.logits, std::span(logits).subspan(i * vocabulary, vocabulary)),
                          kGuessBound)
                    << name << " " << describe(options) << " guess " << i;
                EXPECT_LE(test::relative_rms(step.hidden, std::span(hidden).subspan(i * width, width)), kGuessBound)
                    << name << " " << describe(options) << " guess " << i;
                all_logits.insert(all_logits.end(), step.logits.begin(), step.logits.end());
                before = step.hidden;
            }
            RecordProperty(name + " " + describe(options), std::to_string(test::relative_rms(all_logits, logits)));
        }
    }
}

// The line a user would see; empty when the drafter loads.
std::string drafter_report(const EditedFile& file, const std::string& trunk) {
    MemoryLedger ledger;
    const auto backend = *make_backend({.device = "reference"}, ledger, true);
    const Checkpoint trunk_file = *open_gguf(test::shared_path("reference/" + trunk)), checkpoint = file.open();
    const auto model = load_model(trunk_file, *backend);
    EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().line());
    if (!model) return "";
    const auto drafter = load_drafter(checkpoint, *backend, **model);
    return drafter ? "" : drafter.error().line();
}

TEST(Gemma4Drafter, FilesThatLie) {
    NEED_SHARED("reference/gemma4");
    const EditedFile original(kGemma4.file("g4-draft-31b", ".gguf"));
    const std::string trunk = "gemma4/g4-31b.gguf", other = "gemma4/g4-e2b.gguf";
    EXPECT_EQ(drafter_report(original, trunk), "");
    EXPECT_EQ(drafter_report(EditedFile(kGemma4.file("g4-draft-e2b", ".gguf")), other), "");
    for (const std::string& name : original.tensor_names()) {
        EditedFile dropped = original;
        const std::string report = drafter_report(dropped.drop(name), trunk);
        if (name == "nextn.pre_projection.weight")
            expect_words(report, {"no layer that drafts"});
        else if (name.ends_with("layer_output_scale.weight"))
            EXPECT_EQ(report, "");
        else
            expect_words(report, {name + " is missing"});
        EditedFile misshapen = original;
        expect_words(drafter_report(misshapen.reshape(name, {3, 1, 7}), trunk), {name + " is "});
    }
    // Made for another model.
    expect_words(drafter_report(original, other), {"the keys that layer 0 reads are not those of this trunk"});
    expect_words(drafter_report(original, "qwen35/dense_r1.gguf"), {"only drafts for models of the family gemma4"});
    EditedFile wide = original;
    wide.set_integer("gemma4-assistant.embedding_length_out", 96);
    expect_words(drafter_report(wide, trunk), {"embedding_length_out is 96, this trunk needs 64"});
    // And no model by itself.
    expect_words(test::load_report(original), {"gemma4-assistant files hold no model of their own", "run that model"});
}

TEST(Gemma4, FilesThatLie) {
    NEED_SHARED("reference/gemma4");
    test::expect_every_tensor_is_checked(kGemma4.file("g4-26b", ".gguf"), {"layer_output_scale.weight"});
    const EditedFile e2b(kGemma4.file("g4-e2b", ".gguf"));
    EXPECT_EQ(test::load_report(e2b), "");
    for (const std::string name :
         {"per_layer_token_embd.weight", "per_layer_model_proj.weight", "per_layer_proj_norm.weight",
          "blk.0.inp_gate.weight", "blk.7.proj.weight", "blk.5.post_norm.weight", "blk.1.attn_v.weight",
          "blk.7.attn_q.weight", "blk.3.attn_k_norm.weight"}) {
        EditedFile dropped = e2b, misshapen = e2b;
        expect_words(test::load_report(dropped.drop(name)), {name + " is missing"});
        expect_words(test::load_report(misshapen.reshape(name, {3, 1, 7})), {name + " is 3 x 1 x 7, expected"});
    }
    EditedFile short_pattern = e2b, all_shared = e2b, odd_heads = e2b;
    short_pattern.set("gemma4.attention.sliding_window_pattern", MetadataValue::of(std::vector<int32_t>{1, 1, 1}));
    expect_words(test::load_report(short_pattern), {"attention.sliding_window_pattern has 3 entries, expected 8"});
    all_shared.set_integer("gemma4.attention.shared_kv_layers", 6);
    expect_words(test::load_report(all_shared), {"leaves no layer whose keys layer 3 could read"});
    odd_heads.set("gemma4.attention.head_count_kv", MetadataValue::of(std::vector<int32_t>(8, 3)));
    expect_words(test::load_report(odd_heads), {"attention.head_count of layer 0 is no multiple"});
    EditedFile turned = e2b;
    turned.reshape("rope_freqs.weight", {5});
    expect_words(test::load_report(turned), {"rope_freqs.weight is 5, expected 32"});
}

TEST(Gemma4, AbsurdNumbersAreSurvived) {
    NEED_SHARED("reference/gemma4");
    for (const char* name : {"g4-e2b", "g4-26b"}) test::expect_absurd_numbers_are_survived(kGemma4.file(name, ".gguf"));
}

}  // namespace
}  // namespace hearth
