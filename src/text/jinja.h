// Chat templates: the Jinja that Hugging Face's apply_chat_template renders. A template is parsed once; rendering takes
// the variables as JSON and is bounded in steps, depth and output, so that a hostile template ends with an error.
#pragma once

#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/input_span.h"

namespace hearth {

struct Rendered {
    std::string text;
    // Bytes that came from the variables marked as input: what stands there is never a special token. Ascending, apart
    // from each other.
    std::vector<InputSpan> input;
};

struct JinjaVariables {
    Json::Object trusted;  // what the program says: special tokens, switches
    Json::Object input;    // what people say: messages, tools, documents
};

class JinjaTemplate {
public:
    // The error names line and column.
    static Result<JinjaTemplate> parse(std::string_view source);
    ~JinjaTemplate();
    JinjaTemplate(JinjaTemplate&&) noexcept;
    JinjaTemplate& operator=(JinjaTemplate&&) noexcept;

    // `now` is what strftime_now shows. The text of raise_exception is the error's own text, other errors name line and
    // column.
    Result<Rendered> render(const JinjaVariables& variables, const std::tm& now) const;

private:
    struct Parts;
    explicit JinjaTemplate(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace hearth
