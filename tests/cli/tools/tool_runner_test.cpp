// Commands behind calls: what the model is given, what a person is asked and told.
#include "cli/tools/tool_runner.h"

#include <algorithm>

#include "base/os.h"
#include "cli/tools/fake_desk.h"
#include "support/shared_data.h"

namespace hearth::cli {
namespace {

chat::ReplyCall call_of(const std::string& arguments, const std::string& name = "look") {
    return {.id = "1", .name = name, .arguments = arguments, .is_whole = true};
}

// A command that is a line of shell; what it is given lies in $0 and on standard input.
ToolCommand shell_line(const std::string& line, bool is_allowed = true) {
    return {.tool = "look", .argv = {"/bin/sh", "-c", line}, .is_allowed = is_allowed};
}

struct Carried {
    std::string content, failure;
    FakeDesk desk;
};
Carried carried(const ToolCommand& command, const std::string& arguments = "{}") {
    Carried out;
    ToolRunner runner({command}, out.desk);
    const auto result = runner.carry_out(call_of(arguments));
    EXPECT_TRUE(result) << result.error().line();
    EXPECT_TRUE(result && *result);
    if (result && *result) {
        out.content = (*result)->content;
        out.failure = (*result)->failure;
    }
    return out;
}
std::string content_of(const std::string& line, const std::string& arguments = "{}") {
    return carried(shell_line(line), arguments).content;
}
// The error that the model sees; a person is told the beginning of it.
std::string error_of(const ToolCommand& command) {
    const Carried out = carried(command);
    const auto content = Json::parse(out.content);
    if (!content || !content->find("error")) return "no error: " + out.content;
    const std::string error = content->find("error")->as_string();
    EXPECT_FALSE(out.failure.empty());
    EXPECT_TRUE(error.starts_with(out.failure)) << error;
    EXPECT_EQ(out.desk.told, std::vector<std::string>{"hearth: tool look failed: " + out.failure});
    EXPECT_EQ(out.failure.find('\n'), std::string::npos);
    return error;
}

TEST(ToolRunner, ArgumentsGoInAndTheResultComesOut) {
    EXPECT_EQ(content_of("cat", R"({"city": "Zürich"})"), R"({"city":"Zürich"})");
    EXPECT_EQ(content_of("read line; printf %s \"$line\" | wc -c", "{\"a\":1}"), "7");  // a line of its own
    EXPECT_EQ(content_of("printf '{\"a\": [1,\\n 2.50]}\\n\\n'"), R"({"a":[1,2.50]})");
    EXPECT_EQ(content_of("echo; echo '21 degrees,'; echo sunny; echo"), "21 degrees,\nsunny");
    EXPECT_EQ(content_of("true"), "");
    const Carried out = carried(shell_line("echo fine; echo note >&2; printf rest >&2"));
    EXPECT_EQ(out.content, "fine");
    EXPECT_EQ(out.desk.errors, "note\nrest\n");
    EXPECT_TRUE(out.desk.told.empty());
}

TEST(ToolRunner, FailureIsAResultToo) {
    EXPECT_EQ(error_of(shell_line("echo ignored; echo no such city >&2; exit 3")),
              "it ended with exit code 3: no such city");
    EXPECT_EQ(error_of(shell_line("exit 1")), "it ended with exit code 1");
    EXPECT_EQ(error_of(shell_line("kill -SEGV $$")), "it was ended by signal 11 (Segmentation fault)");
    ToolCommand slow = shell_line("echo still here >&2; exec sleep 60");
    slow.timeout_seconds = 0.2;
    EXPECT_EQ(error_of(slow), "it took longer than 200 ms and was ended: still here");
    ToolCommand loud = shell_line("yes");
    loud.output_limit_bytes = 2048;
    EXPECT_EQ(error_of(loud), "its output is longer than 2.00 KiB and was cut off");
    EXPECT_EQ(error_of(shell_line("printf 'a\\377b'")), "its output is not UTF-8");
    EXPECT_EQ(error_of({.tool = "look", .argv = {"no-such-program-here"}, .is_allowed = true}),
              "there is no program no-such-program-here");
}

TEST(ToolRunner, TheModelSeesTheLastLinesOfAnError) {
    const std::string many = error_of(shell_line("seq 100 >&2; exit 1"));
    EXPECT_TRUE(many.ends_with(": 91\n92\n93\n94\n95\n96\n97\n98\n99\n100")) << many;
    const std::string wide = error_of(shell_line("head -c 100000 /dev/zero | tr '\\0' x >&2; printf END >&2; exit 1"));
    EXPECT_TRUE(wide.ends_with("xEND"));
    EXPECT_LT(wide.size(), 2100u);
    // A person sees more, but not without end.
    const Carried out = carried(shell_line("yes some words | head -c 1000000 >&2"));
    EXPECT_LT(out.desk.errors.size(), 17000u);
    EXPECT_GT(out.desk.errors.size(), 16000u);
    EXPECT_TRUE(out.desk.errors.ends_with("(more is not shown)\n"));
}

TEST(ToolRunner, NothingRunsUnasked) {
    FakeDesk desk;
    ToolRunner runner({shell_line("echo ran", false)}, desk);
    const auto content = [&](const std::string& arguments = R"({"city":"Paris"})") {
        const auto result = runner.carry_out(call_of(arguments));
        EXPECT_TRUE(result);
        return result && *result ? (*result)->content : "stopped";
    };
    desk.answers = {"n"};
    EXPECT_EQ(content(), R"({"error":"the user did not allow this call"})");
    EXPECT_EQ(desk.questions.back(), "run /bin/sh -c \"echo ran\" {\"city\":\"Paris\"}? [y]es, [n]o, [a]lways ");
    EXPECT_TRUE(desk.told.empty());
    EXPECT_EQ(content(), "stopped");  // Ctrl-C
    desk.answers = {"", "perhaps", "Y", "yes"};
    desk.questions.clear();
    EXPECT_EQ(content(), "ran");
    EXPECT_EQ(desk.questions.size(), 4u);
    EXPECT_EQ(desk.told.size(), 3u);
    EXPECT_TRUE(desk.announced.empty());
    desk.answers = {" a "};
    EXPECT_EQ(content(), "ran");
    desk.questions.clear();
    EXPECT_EQ(content(), "ran");  // from now on
    EXPECT_TRUE(desk.questions.empty());
    EXPECT_EQ(desk.announced, std::vector<std::string>{"run /bin/sh -c \"echo ran\" {\"city\":\"Paris\"}"});
}

TEST(ToolRunner, AlwaysIsForOneToolAlone) {
    FakeDesk desk;
    ToolCommand other = shell_line("echo other", false);
    other.tool = "other";
    ToolRunner runner({shell_line("echo ran", false), other}, desk);
    desk.answers = {"a", "n"};
    EXPECT_EQ((*runner.carry_out(call_of("{}")))->content, "ran");
    EXPECT_NE((*runner.carry_out(call_of("{}", "other")))->content, "other");
    runner.allow_all();
    desk.answers.clear();
    EXPECT_EQ((*runner.carry_out(call_of("{}", "other")))->content, "other");
    EXPECT_TRUE(runner.has_all({call_of("{}"), call_of("{}", "other")}));
    EXPECT_FALSE(runner.has_all({call_of("{}"), call_of("{}", "unknown")}));
}

TEST(ToolRunner, WithoutAPersonItIsRefusedWithAWayOut) {
    FakeDesk desk;
    desk.is_attended = false;
    ToolRunner runner({shell_line("echo ran", false)}, desk);
    const auto result = runner.carry_out(call_of("{}"));
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().line().find("tool look"), std::string::npos);
    EXPECT_NE(result.error().line().find("--allow-tools"), std::string::npos);
    EXPECT_TRUE(desk.questions.empty());
}

TEST(ToolRunner, CtrlCStopsACommand) {
    FakeDesk desk;
    desk.stops_after_questions = 0;
    ToolRunner runner({shell_line("sleep 60")}, desk);
    const double began = monotonic_seconds();
    const auto result = runner.carry_out(call_of("{}"));
    ASSERT_TRUE(result);
    EXPECT_FALSE(*result);
    EXPECT_LT(monotonic_seconds() - began, 10);
    EXPECT_EQ(desk.told, std::vector<std::string>{"hearth: tool look was stopped"});
}

// Whoever allows a call has to see it, whatever the model wrote into it.
TEST(ToolRunner, AQuestionHidesNothing) {
    const ToolCommand command{.tool = "look", .argv = {"look", "a b", ""}};
    EXPECT_EQ(shown_call(command, "{\"a\":\"\x1b[2J\u202e\u200b\u009b\U000E0041é日\"}", 0),
              R"(look "a b" "" {"a":"\u001b[2J\u202e\u200b\u009b\U000e0041é日"})");
    const std::string large = "{\"text\":\"" + std::string(1000, 'x') + "é\"}";
    EXPECT_TRUE(shown_call(command, large, 0).ends_with("xé\"}"));
    for (size_t most = 1000; most < 1030; ++most) {
        const std::string cut = shown_call(command, large, most);
        EXPECT_LE(cut.size(), most + 3);
        EXPECT_EQ(Json(cut).dump().find("\uFFFD"), std::string::npos) << most;  // no half characters
    }
    FakeDesk desk;
    desk.answers = {"?", "n"};
    ToolRunner runner({shell_line("true", false)}, desk);
    ASSERT_TRUE(runner.carry_out(call_of(large)));
    EXPECT_LT(desk.questions[0].size(), 400u);
    EXPECT_NE(desk.questions[0].find("[?]"), std::string::npos);
    ASSERT_EQ(desk.told.size(), 1u);
    EXPECT_NE(desk.told[0].find("xé\"}"), std::string::npos);
}

}  // namespace
}  // namespace hearth::cli
