// Chat templates against what real Jinja made of them, and templates that mean no good.
#include "text/jinja.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "support/shared_data.h"

namespace hearth {
namespace {

// Saturday, when the references were recorded.
std::tm recorded_time() {
    std::tm time{};
    time.tm_year = 126, time.tm_mon = 2, time.tm_mday = 14, time.tm_hour = 15, time.tm_min = 9, time.tm_sec = 26;
    time.tm_wday = 6, time.tm_yday = 72;
    return time;
}

Json read_json(const std::string& below) {
    auto json = Json::parse(test::read_text(test::shared_path("reference/templates/" + below)));
    EXPECT_TRUE(json) << below;
    return json ? std::move(*json) : Json();
}

Result<Rendered> render(const std::string& source, const JinjaVariables& variables = {}) {
    const JinjaTemplate made = TRY(JinjaTemplate::parse(source));
    return made.render(variables, recorded_time());
}

std::string text_of(const std::string& source, const JinjaVariables& variables = {}) {
    const auto rendered = render(source, variables);
    return rendered ? rendered->text : "error: " + rendered.error().what;
}

TEST(Jinja, SmallTemplatesGiveWhatJinjaGives) {
    NEED_SHARED("reference/templates/micro.json");
    const Json micro = read_json("micro.json");
    JinjaVariables variables;
    variables.input = micro.find("context")->members();
    int checked = 0;
    for (const Json& one : micro.find("cases")->items()) {
        const std::string& name = one.find("name")->as_string();
        const auto rendered = render(one.find("template")->as_string(), variables);
        ++checked;
        if (const Json* expected = one.find("text")) {
            EXPECT_EQ(rendered ? rendered->text : rendered.error().what, expected->as_string()) << name;
            continue;
        }
        EXPECT_FALSE(rendered) << name << ": " << (rendered ? rendered->text : "");
        if (!rendered && one.find("error")->as_string() == "raised") {
            EXPECT_EQ(rendered.error().what, one.find("message")->as_string()) << name;
        }
    }
    EXPECT_GE(checked, 188);
}

TEST(Jinja, EveryChatTemplateOnEveryConversation) {
    NEED_SHARED("reference/templates/cases.json");
    const Json cases = read_json("cases.json"), meta = read_json("meta.json");
    int checked = 0;
    for (const auto& [name, tokens] : meta.members()) {
        const auto made =
            JinjaTemplate::parse(test::read_text(test::shared_path("reference/templates/jinja/" + name + ".jinja")));
        ASSERT_TRUE(made) << name << ": " << made.error().what;
        const Json expected = read_json("expected/" + name + ".json");
        for (const Json& one : cases.items()) {
            const std::string& conversation = one.find("name")->as_string();
            JinjaVariables variables;
            variables.trusted = tokens.members();
            if (const Json* given = one.find("kwargs"))
                for (const auto& member : given->members()) variables.trusted.push_back(member);
            const Json* generates = one.find("add_generation_prompt");
            variables.trusted.emplace_back("add_generation_prompt", generates ? *generates : Json(true));
            for (const char* what : {"messages", "tools", "documents"})
                variables.input.emplace_back(what, one.find(what) ? *one.find(what) : Json());
            const Json* wanted = expected.find(conversation);
            ASSERT_TRUE(wanted) << name << " " << conversation;
            const auto rendered = made->render(variables, recorded_time());
            ++checked;
            if (const Json* text = wanted->find("text")) {
                EXPECT_EQ(rendered ? rendered->text : rendered.error().what, text->as_string())
                    << name << ", " << conversation;
                continue;
            }
            EXPECT_FALSE(rendered) << name << ", " << conversation << ": " << (rendered ? rendered->text : "");
            if (!rendered && wanted->find("kind")->as_string() == "raised") {
                EXPECT_EQ(rendered.error().what, wanted->find("error")->as_string()) << name << ", " << conversation;
            }
        }
    }
    EXPECT_EQ(checked, 37 * 53);
}

std::vector<std::string> input_parts(const Rendered& rendered) {
    std::vector<std::string> parts;
    for (const InputSpan& span : rendered.input)
        parts.push_back(rendered.text.substr(span.begin, span.end - span.begin));
    return parts;
}

TEST(Jinja, WhatPeopleWroteStaysMarked) {
    JinjaVariables variables;
    variables.trusted = {{"mark", "<|im_start|>"}};
    variables.input = {{"text", "  a</think> b<|im_end|>  "}, {"other", "x"}};
    const auto parts = [&](const std::string& source) {
        const auto rendered = render(source, variables);
        EXPECT_TRUE(rendered) << source;
        return rendered ? input_parts(*rendered) : std::vector<std::string>();
    };
    using Parts = std::vector<std::string>;
    EXPECT_EQ(parts("{{ mark }}user{{ text }}<|im_end|>"), (Parts{"  a</think> b<|im_end|>  "}));
    EXPECT_EQ(parts("{{ mark + text | trim ~ '!' + other }}"), (Parts{"a</think> b<|im_end|>", "x"}));
    EXPECT_EQ(parts("{{ text.split('</think>')[-1].strip() }}"), (Parts{"b<|im_end|>"}));
    EXPECT_EQ(parts("{{ ('(' + text.strip() + ')')[1:4] }}"), (Parts{"a</"}));
    EXPECT_EQ(parts("{% set x %}[{{ other }}]{% endset %}{{ x }}{{ x | upper }}"), (Parts{"x", "[X]"}));
    EXPECT_EQ(parts("{{ '%s-%s' % (mark, other) }}{{ [other, 'y', other] | join('+') }}"), (Parts{"xx", "x"}));
    EXPECT_EQ(parts("{{ {'a': other} | tojson }}"), (Parts{"{\"a\": \"x\"}"}));
    EXPECT_EQ(parts("{{ 'axb' | replace('x', other) }}"), (Parts{"x"}));
    EXPECT_EQ(parts("{{ mark }}{{ text | length }}"), Parts());
}

TEST(Jinja, ErrorsNameThePlace) {
    const auto expect = [](const std::string& source, const std::string& place, const std::string& what) {
        const auto rendered = render(source);
        ASSERT_FALSE(rendered) << source;
        EXPECT_NE(rendered.error().what.find(place), std::string::npos) << rendered.error().what;
        EXPECT_NE(rendered.error().what.find(what), std::string::npos) << rendered.error().what;
    };
    expect("a\nb {% fly %}", "line 2, column 6", "unknown tag 'fly'");
    expect("{% if x %}\n{{ y }}", "line 2, column 8", "expected 'endif'");
    expect("\n\n  {{ missing.part }}", "line 3, column ", "'missing' is undefined");
    expect("{{ 'a' + 1 }}", "line 1, column 8", "can only concatenate str");
    expect("{{ 'abc }}", "line 1, column 4", "no closing quote");
    expect("é{{ ) }}", "line 1, column 5", "unexpected ')'");
    expect("{% break %}", "line 1, column 4", "outside of a loop");
    expect("{{ [1, 2 }}", "line 1, column 10", "unexpected '}'");
    expect("{{ x | nothing }}", "line 1, column ", "no filter named 'nothing'");
}

// Whatever a template does, it is over soon.
TEST(Jinja, HostileTemplatesEnd) {
    std::string brackets(200'000, '('), tags, nots, pluses = "1";
    for (int i = 0; i < 100'000; ++i) {
        tags += "{% if 1 %}";
        nots += "not ";
        pluses += "+1";
    }
    const std::string hostile[] = {
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ f() ~ f() }}{% endmacro %}{{ f() }}",
        "{% for a in range(99999999999) %}{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% "
        "endfor %}",
        "{{ 'abcdefgh' * 999999999999 }}",
        "{{ [1] * 99999999 }}",
        "{% set n = namespace(x='ab') %}{% for i in range(99999) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(99999) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=3) %}{% for i in range(99999) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{{ 9 ** 99999 }}",
        "{{ '%99999999d' % 1 }}",
        "{{ 'x'.ljust(9999999999) }}",
        "{{ 'x' | center(9999999999) }}",
        "{{ 'x' | indent(width=99999999) }}{{ '{:99999999}'.format(1) }}",
        "{% for x in [[[[1]]]] recursive %}{{ loop([x]) }}{% endfor %}",
        "{% set n = namespace() %}{% set n.n = n %}{% set n.l = [n, n] %}{{ n.n.n.n.l | length }}{{ 1 // 0 }}",
        "{{ " + brackets + " }}",
        "{{ " + brackets + "1",
        "{{ " + nots + "1 }}",
        "{{ " + std::string(100'000, '-') + "1 }}",
        "{{ " + std::string(100'000, '[') + " }}",
        "{% set s = 'x' * 3000000 %}{% for i in range(200000) %}{{ s[0] }}{% endfor %}",
        "{% set s = 'x' * 3000000 %}{% for i in range(200000) %}{{ s | length }}{{ s.find('y') }}{% endfor %}",
        "{% set a = [1] * 200000 %}{% set b = [1] * 200000 %}{% for i in range(100000) %}{{ a == b }}{% endfor %}",
        "{% set a = [1] * 200000 %}{% for i in range(100000) %}{% set x = a ~ a %}{% endfor %}",
        "{% set a = [1] * 200000 %}{% for i in range(100000) %}{{ a | sort | first }}{{ 2 in a }}{% endfor %}",
        "{{ dict(range(200000) | batch(2)) | length }}{{ 1 // 0 }}",
        "{{ ('x' * 3000000).join(['a'] * 100000) }}",
        "{{ 'x'.ljust(500000, 'y' * 1000000) }}",
        "{{ ('x' * 3000000) | replace('', 'y' * 3000000) }}",
        "{{ (['a'] * 100000) | join('x' * 3000000) }}",
        "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
        "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = [n.x.index] %}{% endfor %}",
        tags,
        "{{ " + pluses + " }}{{ 1 // 0 }}",
        "{{ x" + std::string(50'000, '[') + "0" + std::string(50'000, ']') + " }}",
    };
    for (const std::string& source : hostile) {
        const auto begin = std::chrono::steady_clock::now();
        const auto rendered = render(source);
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
        EXPECT_FALSE(rendered) << source.substr(0, 100);
        EXPECT_LT(seconds.count(), 2) << source.substr(0, 100);  // a tenth of a second where nothing slows it down
        if (!rendered) {
            EXPECT_LT(rendered.error().what.size(), 300u);
        }
    }
}

TEST(Jinja, LargeMessagesAreNoAttack) {
    JinjaVariables variables;
    Json::Array messages;
    for (int i = 0; i < 4; ++i)
        messages.push_back(Json::Object{{"role", "user"}, {"content", std::string(2 << 20, 'x')}});
    variables.input = {{"messages", messages}};
    const auto rendered = render("{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}", variables);
    ASSERT_TRUE(rendered) << rendered.error().what;
    EXPECT_EQ(rendered->text.size(), 4 * (6 + (2u << 20)));
}

TEST(Jinja, MacrosSeeWhereTheyWereWritten) {
    EXPECT_EQ(text_of("{% set a = 1 %}{% macro f() %}{{ a }}{% endmacro %}{% set a = 2 %}{{ f() }}"), "2");
    EXPECT_EQ(text_of("{% macro f() %}{{ b }}{% endmacro %}{% for b in [1] %}[{{ f() }}]{% endfor %}"), "[]");
    EXPECT_EQ(text_of("{% for b in [1, 2] %}{% macro f() %}{{ b }}{% endmacro %}{{ f() }}{% endfor %}"), "12");
    EXPECT_EQ(text_of("{% macro f(x, y=x) %}{{ x }}{{ y }}{% endmacro %}{{ f(3) }}"), "33");
    EXPECT_EQ(text_of("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}[{{ a }}]"), "3[]");
    EXPECT_EQ(text_of("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}"),
              "abba");
}

}  // namespace
}  // namespace hearth
