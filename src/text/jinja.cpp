#include "text/jinja.h"

#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/run.h"
#include "text/jinja/syntax.h"
#include "text/unicode.h"

namespace hearth {

namespace {

// Steps of a rendering: a chat of a hundred messages with tools takes some ten thousand.
constexpr size_t kMostWork = 600'000;
constexpr size_t kLongestSource = size_t{4} << 20;

// Line ends as Python reads them, valid UTF-8, and without the last newline.
std::string normal_source(std::string_view source) {
    std::string storage, out;
    for (const char c : unicode::sanitize(source, storage)) {
        if (c == '\n' && out.ends_with('\r'))
            out.back() = '\n';
        else
            out += c;
    }
    std::ranges::replace(out, '\r', '\n');
    if (out.ends_with('\n')) out.pop_back();
    return out;
}

size_t bytes_of(const Json& value) {
    if (value.is_string()) return value.as_string().size() + 16;
    size_t sum = 16;
    if (value.is_array())
        for (const Json& item : value.items()) sum += bytes_of(item);
    if (value.is_object())
        for (const auto& [key, member] : value.members()) sum += key.size() + bytes_of(member);
    return sum;
}

}  // namespace

struct JinjaTemplate::Parts {
    std::string source;
    jinja::Block block;

    std::unexpected<Error> error(const jinja::Failure& failure) const {
        if (failure.kind == jinja::Failure::Kind::raised || failure.place == jinja::Failure::kNowhere)
            return fail(ErrorKind::bad_request, failure.what);
        const std::string_view before = std::string_view(source).substr(0, failure.place);
        const auto line = std::ranges::count(before, '\n') + 1;
        const size_t column = jinja::characters(before.substr(before.rfind('\n') + 1)).size() + 1;
        return fail(ErrorKind::bad_request,
                    fmt::format("chat template, line {}, column {}: {}", line, column, failure.what));
    }
};

JinjaTemplate::JinjaTemplate(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
JinjaTemplate::~JinjaTemplate() = default;
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;

Result<JinjaTemplate> JinjaTemplate::parse(std::string_view source) {
    if (source.size() > kLongestSource)
        return fail(ErrorKind::bad_file,
                    fmt::format("the chat template has {} bytes, at most {} are read", source.size(), kLongestSource));
    auto parts = std::make_unique<Parts>();
    parts->source = normal_source(source);
    auto block = jinja::parse(parts->source);
    if (!block) return parts->error(block.error());
    parts->block = std::move(*block);
    return JinjaTemplate(std::move(parts));
}

Result<Rendered> JinjaTemplate::render(const JinjaVariables& variables, const std::tm& now) const {
    const auto globals = std::make_shared<jinja::Scope>();
    jinja::add_globals(*globals);
    size_t bytes = 0;
    for (const auto* group : {&variables.trusted, &variables.input})
        for (const auto& [name, value] : *group) {
            bytes += bytes_of(value);
            globals->set(name, jinja::Value::of(value, group == &variables.input));
        }
    jinja::Run run(now, kMostWork + bytes / 2);
    auto text = run.render(parts_->block, globals);
    if (!text) return parts_->error(text.error());
    return Rendered{std::move(text->bytes), std::move(text->input)};
}

}  // namespace hearth
