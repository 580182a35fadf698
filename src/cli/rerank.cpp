// hearth rerank: documents in the order in which they answer a query.
#include <algorithm>
#include <cmath>
#include <memory>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/read_texts.h"
#include "engine/judge.h"
#include "engine/loaded_model.h"

namespace hearth::cli {

namespace {

struct RerankOptions {
    ModelOptions model{.kv = "f32"};
    std::string file, query;
    bool json = false, with_documents = false;
    Argument query_argument;  // was it given?
};

struct Task {
    std::string query;
    std::vector<std::string> documents;
};

// {"query": "...", "documents": ["...", {"text": "..."}]}
Result<Task> task_of_line(const std::string& line, size_t number) {
    const auto wrong = [&](std::string why) {
        return fail(ErrorKind::bad_request, fmt::format("line {}: {}", number + 1, why),
                    "write {\"query\": \"...\", \"documents\": [\"...\", ...]}");
    };
    const auto parsed = Json::parse(line);
    if (!parsed) return wrong(parsed.error().what);
    if (!parsed->is_object()) return wrong("it is no object");
    Task task;
    for (const auto& [key, value] : parsed->members()) {
        if (key == "query" && value.is_string()) {
            task.query = value.as_string();
        } else if (key == "documents" && value.is_array()) {
            for (const Json& item : value.items()) {
                const Json* text = item.is_object() && item.members().size() == 1 ? item.find("text") : &item;
                if (!text || !text->is_string()) return wrong("a document is neither a text nor {\"text\": \"...\"}");
                task.documents.push_back(text->as_string());
            }
        } else {
            return wrong(fmt::format("\"{}\" is unknown or of the wrong kind", one_line(key.substr(0, 40))));
        }
    }
    if (!parsed->find("query")) return wrong("it has no \"query\"");
    if (task.documents.empty()) return wrong("it has no documents");
    return task;
}

Result<std::vector<Task>> read_input(const RerankOptions& options) {
    auto lines =
        lines_of(options.file.empty() || options.file == "-" ? TRY(read_stdin()) : TRY(read_file(options.file)));
    if (lines.empty())
        return fail(ErrorKind::bad_request, "there are no documents", "pipe lines in, or name a file with --file");
    std::vector<Task> tasks;
    if (options.query_argument.was_given()) {
        tasks.push_back({options.query, std::move(lines)});
        return tasks;
    }
    for (size_t i = 0; i < lines.size(); ++i) tasks.push_back(TRY(task_of_line(lines[i], i)));
    return tasks;
}

Result<Judge> judge_of(const TextReader& reader) {
    auto judge = Judge::make(reader);
    if (!judge)
        return fail(judge.error().kind, judge.error().what, "use a reranker, or compare the vectors of `hearth embed`");
    if (judge->judges_by_words())
        notice("hearth: the file has no classification head; the score is how likely the model says yes and not no");
    return judge;
}

struct Scored {
    size_t index;
    double score;
};

Json result_of(const RerankOptions& options, const Task& task, std::vector<Scored> scored, int64_t tokens) {
    std::ranges::stable_sort(scored, std::greater(), &Scored::score);
    Json results = Json::array();
    for (const Scored& one : scored) {
        Json object = Json::object();
        object.set("index", int64_t(one.index));
        object.set("score", Json::Number{fmt::format("{}", float(one.score))});
        if (options.with_documents) object.set("document", task.documents[one.index]);
        results.push(std::move(object));
    }
    Json object = Json::object();
    object.set("query", task.query);
    object.set("tokens", tokens);
    object.set("results", std::move(results));
    return object;
}

Result<> rerank(const RerankOptions& options) {
    const std::vector<Task> tasks = TRY(read_input(options));
    const TextReader reader = TRY(TextReader::make(TRY(open_checkpoint(options.model.model))));
    const Judge judge = TRY(judge_of(reader));

    struct Place {
        size_t task, document;
    };
    std::vector<Place> places;
    std::vector<std::vector<int32_t>> texts;
    for (size_t task = 0; task < tasks.size(); ++task)
        for (size_t document = 0; document < tasks[task].documents.size(); ++document) {
            const auto& [query, documents] = tasks[task];
            places.push_back({task, document});
            texts.push_back(TRY(judge.tokens(query, documents[document])));
        }
    const auto what = [&](size_t i) {
        if (options.query_argument.was_given()) return fmt::format("line {} with its query", places[i].document + 1);
        return fmt::format("line {}: document {} with its query", places[i].task + 1, places[i].document);
    };
    const auto engine = TRY(open_for_texts(options.model, reader, texts, what));
    std::vector<EmbedRequest> requests;
    std::vector<int64_t> counts;
    for (auto& text : texts) {
        counts.push_back(int64_t(text.size()));
        requests.push_back(judge.request(std::move(text)));
    }
    std::vector<Scored> scored;
    int64_t tokens = 0;
    Json data = Json::array();
    TRY(read_all(*engine, std::move(requests), [&](size_t i, const Event& last) -> Result<> {
        const Task& task = tasks[places[i].task];
        const double score = judge.score(last.embedding);
        if (!std::isfinite(score))
            return fail(ErrorKind::bad_file, "the score of " + what(i) + " is not finite",
                        "download or convert the model again");
        scored.push_back({places[i].document, score});
        tokens += counts[i];
        if (scored.size() < task.documents.size()) return {};
        Json result = result_of(options, task, std::move(scored), tokens);
        scored = {}, tokens = 0;
        if (!options.json) return write_out(result.dump() + "\n");
        data.push(std::move(result));
        return {};
    }));
    if (!options.json) return {};
    Json all = Json::object();
    all.set("model", reader.name());
    all.set("data", std::move(data));
    return write_out(all.dump() + "\n");
}

}  // namespace

void add_rerank(Command& program) {
    auto options = std::make_shared<RerankOptions>();
    Command command = program.add_command("rerank", "Score documents by how well they answer a query");
    command.add_footer(
        "In, a line per query:   {\"query\":\"...\",\"documents\":[\"...\", ...]}\n"
        "                        or with --query: a document per line\n"
        "Out, a line per query:  {\"query\",\"tokens\",\"results\":[{\"index\":2,\"score\":0.97}, ...]}, best "
        "first\n"
        "With --json one object: {\"model\",\"data\":[ a line's object, ... ]}");
    add_model_argument(command, "MODEL", options->model.model, "A GGUF file or a Hugging Face directory").required();
    options->query_argument = command.add("--query", options->query, "The query; every line is then a document");
    command.add("--file", options->file, "File of lines (default: standard input)");
    command.add_flag("--documents", options->with_documents, "Repeat the documents in the results");
    command.add_flag("--json", options->json, "One JSON object for all queries");
    add_model_options(command, options->model);
    command.runs([options] {
        catch_interrupts();
        return rerank(*options);
    });
}

}  // namespace hearth::cli
