// hearth embed: texts to vectors. A line in is a text, a line out is its vector.
#include <map>
#include <memory>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/read_texts.h"
#include "engine/loaded_model.h"
#include "engine/vectors.h"

namespace hearth::cli {

namespace {

struct EmbedOptions {
    ModelOptions model{.kv = "f32"};
    std::string file, pooling, prefix, role;
    bool jsonl = false, json = false, is_raw = false;
    int64_t dimensions = 0;
};

// A line of --jsonl: a text, or an object that holds one.
Result<std::string> text_of_line(const std::string& line, size_t number) {
    const auto parsed = Json::parse(line);
    const Json* text = parsed && parsed->is_object() && parsed->members().size() == 1 ? parsed->find("text")
                       : parsed                                                       ? &*parsed
                                                                                      : nullptr;
    if (text && text->is_string()) return text->as_string();
    return fail(ErrorKind::bad_request, fmt::format("line {} is neither a JSON string nor {{\"text\": \"...\"}}{}",
                                                    number + 1, parsed ? "" : ": " + parsed.error().what));
}

Result<std::vector<std::string>> read_input(const EmbedOptions& options) {
    auto lines =
        lines_of(options.file.empty() || options.file == "-" ? TRY(read_stdin()) : TRY(read_file(options.file)));
    if (lines.empty())
        return fail(ErrorKind::bad_request, "there is no text", "pipe lines in, or name a file with --file");
    if (options.jsonl)
        for (size_t i = 0; i < lines.size(); ++i) lines[i] = TRY(text_of_line(lines[i], i));
    return lines;
}

// What goes in front of every text.
Result<std::string> prefix_of(const EmbedOptions& options, const TextReader& reader) {
    if (options.role.empty()) return options.prefix;
    auto known = reader.prefix(options.role);
    if (!known)
        return fail(known.error().kind, one_line(known.error().what),
                    "look at the model's page and give it with --prefix");
    return known;
}

Result<Pooling> pooling_of(const EmbedOptions& options, const TextReader& reader) {
    static const std::map<std::string, Pooling> kNames{
        {"mean", Pooling::mean}, {"cls", Pooling::first}, {"last", Pooling::last}, {"none", Pooling::last}};
    if (options.pooling == "none") return reader.pooling().value_or(Pooling::mean);  // only decides what ends a text
    if (!options.pooling.empty()) return kNames.at(options.pooling);
    const auto usual = reader.usual_pooling();
    if (!usual) return fail(usual.error().kind, usual.error().what, "use `hearth rerank`, or choose with --pooling");
    if (usual->is_guess) notice(fmt::format("hearth: {} (--pooling)", kPoolingGuessed));
    return usual->pooling;
}

std::string_view name_of(Pooling pooling) {
    return pooling == Pooling::mean ? "mean" : pooling == Pooling::first ? "cls" : "last";
}

Result<> check_finite(std::span<const float> values, size_t line) {
    if (is_finite(values)) return {};
    return fail(ErrorKind::bad_file, fmt::format("the vector of line {} is not finite", line + 1),
                "download or convert the model again");
}

// How many numbers of a vector are kept.
Result<size_t> kept_of(const EmbedOptions& options, size_t width) {
    if (options.dimensions <= int64_t(width)) return options.dimensions > 0 ? size_t(options.dimensions) : width;
    return fail(ErrorKind::bad_request,
                fmt::format("--dimensions {} is more than the {} of this model", options.dimensions, width));
}

Result<> embed(const EmbedOptions& options) {
    const std::vector<std::string> lines = TRY(read_input(options));
    const TextReader reader = TRY(TextReader::make(TRY(open_checkpoint(options.model.model))));
    const Pooling pooling = TRY(pooling_of(options, reader));
    const std::string prefix = TRY(prefix_of(options, reader));
    std::vector<std::vector<int32_t>> texts;
    for (const std::string& line : lines) texts.push_back(TRY(reader.text(prefix + line, pooling)));
    const auto engine =
        TRY(open_for_texts(options.model, reader, texts, [](size_t i) { return fmt::format("line {}", i + 1); }));
    const bool is_pooled = options.pooling != "none";
    std::vector<std::vector<float>> rows(is_pooled ? 0 : texts.size());  // each written by the engine until it is done
    std::vector<EmbedRequest> requests;
    int64_t tokens = 0;
    std::vector<int64_t> counts;
    for (size_t i = 0; i < texts.size(); ++i) {
        counts.push_back(int64_t(texts[i].size()));
        tokens += counts.back();
        EmbedRequest request{.tokens = std::move(texts[i]), .pooling = pooling, .each_row = {}};
        if (!is_pooled)
            request.each_row = [&mine = rows[i]](int64_t, std::span<const float> row) {
                mine.insert(mine.end(), row.begin(), row.end());
            };
        requests.push_back(std::move(request));
    }
    Json data = Json::array();
    size_t dimensions = 0;
    TRY(read_all(*engine, std::move(requests), [&](size_t i, const Event& last) -> Result<> {
        Json object = Json::object();
        object.set("index", int64_t(i));
        object.set("tokens", counts[i]);
        if (is_pooled) {
            std::vector<float> values = last.embedding;
            TRY(check_finite(values, i));
            dimensions = TRY(kept_of(options, values.size()));
            values.resize(dimensions);  // before the length is made one, as such models are trained
            if (!options.is_raw) normalise(values);
            object.set("embedding", json_of(values));
        } else {
            TRY(check_finite(rows[i], i));
            const size_t width = rows[i].size() / size_t(counts[i]);
            dimensions = TRY(kept_of(options, width));
            Json list = Json::array();
            for (size_t row = 0; row < size_t(counts[i]); ++row)
                list.push(json_of(std::span(rows[i]).subspan(row * width, dimensions)));
            object.set("embeddings", std::move(list));
            rows[i] = {};
        }
        if (!options.json) return write_out(object.dump() + "\n");
        data.push(std::move(object));
        return {};
    }));
    if (!options.json) return {};
    Json all = Json::object();
    all.set("model", reader.name());
    all.set("dimensions", int64_t(dimensions));
    all.set("pooling", is_pooled ? name_of(pooling) : std::string_view("none"));
    all.set("normalised", is_pooled && !options.is_raw);
    all.set("prefix", prefix);
    all.set("tokens", tokens);
    all.set("data", std::move(data));
    return write_out(all.dump() + "\n");
}

}  // namespace

void add_embed(Command& program) {
    auto options = std::make_shared<EmbedOptions>();
    Command command = program.add_command("embed", "Turn texts into vectors: a line in, a line of JSON out");
    command.add_footer(
        "Out, a line per text:  {\"index\":0,\"tokens\":7,\"embedding\":[...]}\n"
        "With --json one object: {\"model\",\"dimensions\",\"pooling\",\"normalised\",\"prefix\",\"tokens\","
        "\"data\":[ a line's object, ... ]}\n"
        "With --pooling none:    \"embeddings\":[[...], ...], a vector per token, never normalised");
    add_model_argument(command, "MODEL", options->model.model, "A GGUF file or a Hugging Face directory").required();
    command.add("--file", options->file, "File of lines (default: standard input)");
    command.add_flag("--jsonl", options->jsonl, "Each line is a JSON string or {\"text\": \"...\"}");
    command
        .add("--pooling", options->pooling,
             "mean, cls (first token), last, or none (default: what the file says, else mean)")
        .one_of({"mean", "cls", "last", "none"});
    command.add_flag("--no-normalise,--no-normalize", options->is_raw, "Leave the vectors as long as they are");
    command.add("--dimensions", options->dimensions, "Keep only the first N numbers of each vector")
        .between(1, int64_t{1} << 20);
    const Argument prefix = command.add("--prefix", options->prefix, "Put this in front of every text");
    command
        .add("--as", options->role,
             "query or passage: put in front what the model, known by its name, was trained with")
        .one_of({"query", "passage"})
        .excludes(prefix);
    command.add_flag("--json", options->json, "One JSON object for all texts");
    add_model_options(command, options->model);
    command.runs([options] {
        catch_interrupts();
        return embed(*options);
    });
}

}  // namespace hearth::cli
