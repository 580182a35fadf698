// Values written exactly, and the white space between the parts of a text.
#include <algorithm>

#include "grammar/schema/check.h"
#include "grammar/schema/writer.h"

namespace hearth::grammar {

ExprId SchemaWriter::quoted(std::string_view text) {
    std::vector<ExprId> parts{rules_.bytes("\"")};
    std::string plain;
    const auto flush = [&] {
        parts.push_back(rules_.bytes(plain));
        plain.clear();
    };
    for (const uint32_t code : codes_of(text)) {
        if (code >= 0x20 && code < 0x7F && code != '"' && code != '\\') {
            plain += char(code);
        } else if (code >= 0x20 && code < 0x80 && code != 0x7F) {
            plain += {'\\', char(code)};
        } else {  // other writers escape what is not ASCII
            flush();
            parts.push_back(rules_.codes(CodeSet(code, code), Spelling::json));
        }
    }
    plain += '"';
    flush();
    return rules_.sequence(std::move(parts));
}

ExprId SchemaWriter::literal(const Json& value, int depth) {
    if (value.is_string()) return quoted(value.as_string());
    if (value.is_number()) {
        // 1.0 and 1e2 are written as they stand, or as 1 and 100.
        std::vector<ExprId> ways{rules_.bytes(value.number_text())};
        const auto decimal = Decimal::read(value.number_text());
        if (decimal && decimal->text() != value.number_text() && decimal->text().size() < 30)
            ways.push_back(rules_.bytes(decimal->text()));
        return rules_.choice(std::move(ways));
    }
    if (!value.is_array() && !value.is_object()) return rules_.bytes(value.dump());
    std::vector<ExprId> parts{rules_.bytes(value.is_array() ? "[" : "{")};
    const size_t count = value.is_array() ? value.items().size() : value.members().size();
    if (count == 0 && options_.space == JsonSpace::free) parts.push_back(before_comma());
    for (size_t i = 0; i < count; ++i) {
        if (i > 0) {
            parts.push_back(before_comma());
            parts.push_back(rules_.bytes(","));
        }
        parts.push_back(i == 0 ? after_open(depth) : after_comma(depth));
        if (value.is_object()) {
            parts.push_back(quoted(value.members()[i].first));
            parts.push_back(colon());
        }
        parts.push_back(literal(value.is_array() ? value.items()[i] : value.members()[i].second, depth + 1));
    }
    if (count > 0) parts.push_back(before_close(depth));
    parts.push_back(rules_.bytes(value.is_array() ? "]" : "}"));
    return rules_.sequence(std::move(parts));
}

ExprId SchemaWriter::before_comma() {
    if (options_.space != JsonSpace::free) return Rules::kEmpty;
    const auto blanks = [&](int32_t most) {
        CodeSet blank('\t', '\t');
        blank.add(' ', ' ');
        return rules_.repeat(rules_.codes(blank), 0, most);
    };
    const ExprId line = rules_.optional(rules_.sequence({rules_.optional(rules_.bytes("\r")), rules_.bytes("\n")}));
    return shared("white space", rules_.sequence({blanks(4), line, blanks(4), line, blanks(32)}));
}

ExprId SchemaWriter::after_comma(int depth) {
    switch (options_.space) {
        case JsonSpace::one:
            return rules_.optional(rules_.bytes(" "));
        case JsonSpace::pretty:
            return rules_.bytes("\n" + std::string(size_t(2 * depth + 2), ' '));
        case JsonSpace::free:
            return before_comma();
        case JsonSpace::compact:
            break;
    }
    return Rules::kEmpty;
}

ExprId SchemaWriter::after_open(int depth) {
    return options_.space == JsonSpace::one ? Rules::kEmpty : after_comma(depth);
}

ExprId SchemaWriter::before_close(int depth) {
    return options_.space == JsonSpace::one      ? Rules::kEmpty
           : options_.space == JsonSpace::pretty ? rules_.bytes("\n" + std::string(size_t(2 * depth), ' '))
                                                 : before_comma();
}

ExprId SchemaWriter::colon() {
    switch (options_.space) {
        case JsonSpace::one:
            return rules_.sequence({rules_.bytes(":"), rules_.optional(rules_.bytes(" "))});
        case JsonSpace::pretty:
            return rules_.bytes(": ");
        case JsonSpace::free:
            return rules_.sequence({before_comma(), rules_.bytes(":"), before_comma()});
        case JsonSpace::compact:
            break;
    }
    return rules_.bytes(":");
}

}  // namespace hearth::grammar
