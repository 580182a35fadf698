#include "chat/call_form.h"

#include <algorithm>

#include "chat/call_values.h"

namespace hearth::chat {

using grammar::CodeSet, grammar::Expr, grammar::ExprId, grammar::Insertion, grammar::Rules, grammar::Spelling;

namespace {

struct Tool {
    std::string name;
    ExprId arguments = 0;
};

Notation notation_of(const Channels& channels) {
    switch (channels.calls) {
        case CallSyntax::tagged:
            if (channels.tagged == TaggedForm::xml) return Notation::xml;
            return channels.tagged == TaggedForm::key_value ? Notation::key_value : Notation::json;
        case CallSyntax::gemma:
            return Notation::gemma;
        case CallSyntax::python:
            return Notation::python;
        default:
            return Notation::json;
    }
}

// Names that stand bare must end where the reader sees their end.
bool can_name(const Channels& channels, std::string_view name) {
    if (name.size() > 200) return false;
    const bool is_quoted = channels.calls == CallSyntax::json || channels.calls == CallSyntax::bare ||
                           (channels.calls == CallSyntax::tagged && channels.tagged == TaggedForm::json);
    return is_quoted || std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-' || c == '.';
           });
}

class CallWriter {
public:
    CallWriter(const Lexicon& lexicon, const Json& tools, const CallRules& wanted)
        : lexicon_(lexicon), channels_(lexicon.channels()), tools_(tools), wanted_(wanted), writer_(lexicon, rules_) {}

    Result<CallForm> write() {
        CallForm made;
        if (channels_.calls == CallSyntax::none) return made;
        if (channels_.calls == CallSyntax::harmony && !lexicon_.token(Mark::message)) {
            made.notes.push_back("calls are not bound to the tools: the marks of messages are no tokens here");
            return made;
        }
        TRY(read_tools(made.notes));
        if (list_.empty()) return made;
        made.covers_thoughts = !wanted_.is_required || channels_.calls == CallSyntax::harmony;
        const ExprId reply = TRY(channels_.calls == CallSyntax::harmony ? Result<ExprId>(harmony())
                                 : wanted_.is_required                  ? Result<ExprId>(only_calls())
                                                                        : text_with_calls());
        made.grammar = TRY(grammar::Grammar::from_rules(std::move(rules_), reply));
        return made;
    }

private:
    Result<> read_tools(std::vector<std::string>& notes) {
        const Tools kinds = TRY(Tools::read(tools_));
        const Notation notation = notation_of(channels_);
        for (const Json& entry : tools_.items()) {
            const Json* function = entry.find("function");
            if (!function) function = &entry;
            Tool tool{function->find("name")->as_string()};
            if (!wanted_.only.empty() && tool.name != wanted_.only) continue;
            if (!can_name(channels_, tool.name)) {
                notes.push_back(fmt::format("the tool {} cannot be called: its name has no place in this model's calls",
                                            Json(tool.name).dump()));
                continue;
            }
            // Tried alone first: what is refused half-way leaves rules behind.
            const auto fits = [&]() -> Result<> {
                const Json parameters = TRY(object_schema(function->find("parameters")));
                Rules alone;
                const ExprId read =
                    TRY(ArgumentWriter(lexicon_, alone).arguments(notation, kinds, tool.name, parameters));
                TRY(grammar::Grammar::from_rules(std::move(alone), read));
                tool.arguments = shared(tool.name, TRY(writer_.arguments(notation, kinds, tool.name, parameters)));
                return {};
            }();
            if (!fits) {
                notes.push_back(fmt::format("calls of {} may have any arguments: {}", tool.name, fits.error().what));
                if (any_arguments_ == 0) any_arguments_ = shared("any arguments", TRY(writer_.any_arguments(notation)));
                tool.arguments = any_arguments_;
            }
            list_.push_back(std::move(tool));
        }
        return {};
    }

    // Written once, however many places lead there.
    ExprId shared(std::string name, ExprId body) {
        const grammar::RuleId rule = rules_.add_rule(std::move(name));
        rules_.at(rule).body = body;
        rules_.at(rule).is_shared = true;
        return rules_.rule(rule);
    }
    ExprId text(std::string_view bytes) { return rules_.bytes(bytes); }
    ExprId mark(Mark mark) { return writer_.mark(mark); }
    ExprId maybe(std::string_view bytes) { return rules_.optional(text(bytes)); }
    ExprId all(std::vector<ExprId> parts) { return rules_.sequence(std::move(parts)); }
    // A choice of the tools, each as `write` says it.
    template <class Write>
    ExprId any_tool(Write write) {
        std::vector<ExprId> ways;
        for (const Tool& tool : list_) ways.push_back(write(tool));
        return rules_.choice(std::move(ways));
    }
    ExprId list_of(ExprId item, ExprId separator) {
        if (!wanted_.parallel) return item;
        return all({item, rules_.repeat(all({separator, item}), 0, Expr::kUnbounded)});
    }

    // From behind the name's colon; the name and what stands in front of it may have been written.
    ExprId rest_of_json(std::string_view key, bool has_id) {
        CodeSet letters('a', 'z');
        letters.add('A', 'Z'), letters.add('0', '9');
        const ExprId id = has_id ? rules_.optional(all({text(","), maybe(" "), text("\"id\":"), maybe(" "), text("\""),
                                                        rules_.repeat(rules_.codes(letters), 9, 9), text("\"")}))
                                 : Rules::kEmpty;
        const ExprId between = all({text(","), maybe(" "), text("\"" + std::string(key) + "\":"), maybe(" ")});
        return all({maybe(" "), any_tool([&](const Tool& tool) {
                        return all({text(Json(tool.name).dump()), between, tool.arguments});
                    }),
                    id, text("}")});
    }
    ExprId json_call(std::string_view key, bool has_id = false) {
        return all({text("{\"name\":"), rest_of_json(key, has_id)});
    }
    ExprId json_list(bool has_id) {
        return all({list_of(json_call("arguments", has_id), all({text(","), maybe(" ")})), text("]")});
    }
    ExprId python_call() {
        return any_tool([&](const Tool& tool) { return all({text(tool.name + "("), tool.arguments, text(")")}); });
    }
    ExprId tagged_call() {
        switch (channels_.tagged) {
            case TaggedForm::json:
                return all({maybe("\n"), json_call("arguments"), maybe("\n"), mark(Mark::call_close)});
            case TaggedForm::xml:
                return all({text("\n"), mark(Mark::function), any_tool([&](const Tool& tool) {
                                return all({text(tool.name + ">\n"), tool.arguments});
                            }),
                            mark(Mark::function_end), text("\n"), mark(Mark::call_close)});
            case TaggedForm::key_value:
                break;
        }
        return all({any_tool([&](const Tool& tool) {
                        return all({text(tool.name), tool.arguments});
                    }),
                    maybe("\n"), mark(Mark::call_close)});
    }
    ExprId named_call() {
        CodeSet letters('a', 'z');
        letters.add('A', 'Z'), letters.add('0', '9');
        const ExprId with_list = all({text("["), json_list(true)});
        // Older vocabularies have no such mark: their models write lists.
        if (!lexicon_.has(Mark::arguments) || (lexicon_.token(Mark::call_open) && !lexicon_.token(Mark::arguments)))
            return with_list;
        const ExprId id = rules_.optional(all({mark(Mark::call_id), rules_.repeat(rules_.codes(letters), 9, 9)}));
        const ExprId named = any_tool([&](const Tool& tool) {
            return all({text(tool.name), id, mark(Mark::arguments), tool.arguments});
        });
        // Spelled out, either may be meant.
        return lexicon_.token(Mark::arguments) ? named : rules_.choice({named, with_list});
    }
    ExprId deepseek_calls() {
        const ExprId item =
            all({mark(Mark::item), text("function"), mark(Mark::item_name), any_tool([&](const Tool& tool) {
                     return all({text(tool.name + "\n```json\n"), tool.arguments});
                 }),
                 text("\n```"), mark(Mark::item_end)});
        return all({maybe("\n"), list_of(item, maybe("\n")), maybe("\n"), mark(Mark::call_close)});
    }
    // Between the marks, the closing one included.
    ExprId inside_call() {
        switch (channels_.calls) {
            case CallSyntax::tagged:
                return tagged_call();
            case CallSyntax::bare:
                return json_call("parameters");
            case CallSyntax::name_json:
                return named_call();
            case CallSyntax::gemma:
                return all({text("call:"), any_tool([&](const Tool& tool) {
                                return all({text(tool.name), tool.arguments});
                            }),
                            mark(Mark::call_close)});
            case CallSyntax::python:
                return all({text("["), list_of(python_call(), all({text(","), maybe(" ")})), text("]"),
                            mark(Mark::call_close)});
            case CallSyntax::deepseek:
                return deepseek_calls();
            default:
                break;
        }
        const ExprId close = lexicon_.has(Mark::call_close) ? mark(Mark::call_close) : Rules::kEmpty;
        return all({maybe(" "), text("["), json_list(false), close});
    }

    // What begins calls, and how they go on.
    std::vector<Insertion> insertions() {
        std::vector<Insertion> found;
        const auto add = [&](Mark mark, ExprId body) {
            Insertion insertion{.body = body};
            if (const auto id = lexicon_.token(mark))
                insertion.token.ids = {*id};
            else
                insertion.trigger = lexicon_.text(mark);
            found.push_back(std::move(insertion));
        };
        if (lexicon_.has(Mark::call_open)) add(Mark::call_open, inside_call());
        // "functools[": the list has begun.
        if (lexicon_.has(Mark::call_open_too))
            add(Mark::call_open_too,
                lexicon_.text(Mark::call_open_too).ends_with('[') ? json_list(false) : inside_call());
        return found;
    }

    Result<ExprId> text_with_calls() {
        grammar::FreeText options;
        if (!wanted_.parallel) options.most = 1, options.ends_after_last = true;
        const auto calls = insertions();
        ExprId free = TRY(grammar::free_text(calls, options, rules_));
        if (channels_.calls != CallSyntax::bare) return free;
        free = shared("free text", free);
        // An answer that begins with this is a call.
        constexpr std::string_view kBeginning = "{\"name\":";
        grammar::Diagram diagram;
        diagram.places = uint32_t(kBeginning.size()) + 2;
        const uint32_t end = diagram.places - 1;
        for (uint32_t i = 0; i < kBeginning.size(); ++i) {
            const uint8_t letter = uint8_t(kBeginning[i]);
            CodeSet others = CodeSet(0, 255).without(CodeSet(letter, letter));
            if (i == 0) {
                CodeSet blanks(' ', ' ');
                blanks.add('\n', '\n');
                others = others.without(blanks);
                diagram.edges.push_back({0, rules_.codes(blanks, Spelling::bytes), 0});
            }
            diagram.edges.push_back({i, rules_.codes(CodeSet(letter, letter), Spelling::bytes), i + 1});
            diagram.edges.push_back({i, all({rules_.codes(others, Spelling::bytes), free}), end});
            diagram.edges.push_back({i, Rules::kEmpty, end});
            // Marks are tokens of the free text.
            for (const Insertion& insertion : calls)
                if (!insertion.token.ids.empty())
                    diagram.edges.push_back({i, all({rules_.tokens(insertion.token), insertion.body}), end});
        }
        diagram.edges.push_back({uint32_t(kBeginning.size()), rest_of_json("parameters", false), end});
        return rules_.diagram(std::move(diagram));
    }

    ExprId only_calls() {
        const ExprId space = rules_.choice({Rules::kEmpty, text("\n"), text("\n\n")});
        if (channels_.calls == CallSyntax::bare) return all({space, json_call("parameters")});
        const ExprId call = all({space, mark(Mark::call_open), inside_call()});
        return wanted_.parallel ? rules_.repeat(call, 1, Expr::kUnbounded) : call;
    }

    // Messages with headers. A call is the last of them: the prompt goes on with its result.
    ExprId harmony() {
        const ExprId constrained =
            rules_.choice({Rules::kEmpty, all({maybe(" "), mark(Mark::constrain), text("json")}), text(" json")});
        const ExprId to = text(" to=functions."), channel = mark(Mark::channel), message = mark(Mark::message);
        const ExprId inner = rules_.choice({text("commentary"), text("analysis")});
        const ExprId call =
            rules_.choice({all({channel, inner, to, any_tool([&](const Tool& tool) {
                                    return all({text(tool.name), constrained, message, tool.arguments});
                                })}),
                           all({to, any_tool([&](const Tool& tool) {
                                    return all({text(tool.name), channel, inner, constrained, message, tool.arguments});
                                })})});
        const ExprId any = rules_.repeat(rules_.codes(CodeSet(0, 255), Spelling::bytes), 0, Expr::kUnbounded);
        const ExprId next = all({mark(Mark::end), mark(Mark::start), text("assistant")});
        if (wanted_.is_required) {
            const ExprId thought = all({channel, text("analysis"), message, any});
            return all({rules_.repeat(all({thought, next}), 0, Expr::kUnbounded), call});
        }
        const ExprId plain = all(
            {channel, rules_.choice({text("analysis"), text("commentary"), text("final")}), constrained, message, any});
        return all({rules_.repeat(all({plain, next}), 0, Expr::kUnbounded), rules_.choice({plain, call})});
    }

    const Lexicon& lexicon_;
    const Channels& channels_;
    const Json& tools_;
    const CallRules& wanted_;
    Rules rules_;
    ArgumentWriter writer_;
    std::vector<Tool> list_;
    ExprId any_arguments_ = 0;
};

}  // namespace

Result<CallForm> call_form(const Lexicon& lexicon, const Json& tools, const CallRules& rules) {
    TRY(Tools::read(tools));
    if (tools.is_null() || tools.items().empty()) return CallForm{};
    return CallWriter(lexicon, tools, rules).write();
}

}  // namespace hearth::chat
