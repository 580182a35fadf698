#include "cli/tools/tool_loop.h"

#include <algorithm>

namespace hearth::cli {

Result<ToolLoopEnd> answer_calls(Partner& partner, const ToolLoop& loop) {
    for (int64_t rounds = 0; !partner.calls().empty();) {
        const auto calls = partner.calls();
        // Results come for all calls of a reply or for none: half of them carried out would be of no use.
        if (!loop.play && !loop.runner.has_all(calls)) return ToolLoopEnd::unanswered;
        const bool has_command =
            std::ranges::any_of(calls, [&](const auto& one) { return loop.runner.has_command(one.name); });
        if (has_command && ++rounds > loop.max_rounds)
            return fail(ErrorKind::bad_request,
                        fmt::format("no answer: the model called tools {} times in a row", loop.max_rounds),
                        "allow more with --max-tool-rounds");
        std::vector<std::string> results;
        for (const chat::ReplyCall& call : calls) {
            if (!loop.runner.has_command(call.name)) {
                const auto played = loop.play(call);
                if (!played) return ToolLoopEnd::unanswered;
                results.push_back(*played);
                continue;
            }
            const auto result = TRY(loop.runner.carry_out(call));
            if (!result) return ToolLoopEnd::stopped;
            if (loop.on_result) TRY(loop.on_result(call, *result));
            results.push_back(result->content);
        }
        if (TRY(partner.answer_results(results)) == FinishReason::cancelled) return ToolLoopEnd::stopped;
    }
    return ToolLoopEnd::answered;
}

}  // namespace hearth::cli
