// A conversation with one model as `hearth run` holds it: what was said, how the model is asked, how its reply is
// shown.
#pragma once

#include <atomic>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/chat.h"
#include "chat/overflow.h"
#include "cli/form_options.h"
#include "cli/keeper.h"
#include "cli/options.h"
#include "cli/reply_printer.h"
#include "cli/terminal/dialogue.h"
#include "cli/tools/tool_loop.h"
#include "engine/engine.h"

namespace hearth::cli {

struct RunOptions {
    ModelOptions model;
    SamplingOptions sampling;
    std::string system, tools;  // tools: a file
    std::string tool_choice = "auto";
    bool one_call = false, allow_tools = false;
    int64_t max_tool_rounds = 16;
    FormOptions form;
    std::vector<std::string> words;
    bool raw = false, verbose = false, events = false;
    bool think = false, no_think = false;
    int64_t thinking_budget = -1;
    std::string overflow = "refuse";
    std::string goes_on;  // an id, or "latest"; empty: a new conversation
    bool keeps_nothing = false;
};

class Session : public Partner {
public:
    // Loads the model and checks every flag.
    static Result<std::unique_ptr<Session>> open(RunOptions options, bool is_dialogue);

    bool is_chat() const override { return chat_ != nullptr; }
    bool is_there() const override { return engine_ != nullptr; }

    Result<FinishReason> answer(const std::string& text) override;
    Result<FinishReason> answer_again() override { return answer_conversation(); }

    // Calls of the last reply that wait for their results.
    const std::vector<chat::ReplyCall>& calls() const override { return calls_; }
    Result<FinishReason> answer_results(const std::vector<std::string>& results) override;
    ToolLoop tool_loop();

    void forget() override;

    Json& messages() override { return conversation_.messages; }
    void set_system(const std::string& text) override;
    Result<> set_thinking(std::optional<bool> wanted) override;
    Settings& settings() override { return settings_; }
    Result<> check_settings() const override;
    Result<> set_form(AnswerForm form, const std::string& schema) override;
    Result<> change_model(const std::string& name) override;
    Result<std::string> kept() override { return keeper_.list(); }
    Result<> go_on_with(const std::string& id) override;
    Result<> forget_kept(const std::string& id) override;
    std::string description() const override;
    std::string context_line() const override;

private:
    Session(RunOptions options, bool is_dialogue);

    Result<Checkpoint> weights(const std::string& model) const;
    Result<> load(Checkpoint weights);  // puts the engine in place ...
    Result<> meet_model();              // ... and what depends on it
    Result<> start();
    Result<> refuse_chat_flags() const;
    Result<> check_tool_choice() const;
    Result<> take_tools();

    // Required of a question; the results of a call may be answered in words.
    chat::ToolChoice tool_choice() const;

    void add(std::string_view role, const std::string& text);
    void give_up_calls();
    void keep();  // what was said so far, if it is kept at all
    void take_over(const store::Conversation& kept);

    ReplyPrinter printer() const;

    // Of the next answer: what /set says comes last.
    Result<SamplerOptions> sampling(const chat::Sampling& family) const;
    Result<SamplerOptions> sampling() const;

    Result<FinishReason> answer_conversation();

    // What of the conversation the model sees.
    Result<chat::Conversation> fitting_conversation();

    Result<std::string> summary(const Json& messages);

    Result<FinishReason> answer_raw(const std::string& text);

    Result<Event> ask(Request request, ReplyPrinter& printer, std::vector<int32_t>& tokens,
                      const std::function<Result<>(const Event&)>& show);

    RunOptions options_;
    const bool is_dialogue_;
    Keeper keeper_;
    const bool is_to_be_kept_;
    bool is_kept_ = is_to_be_kept_;  // this dialogue, until keeping fails or somebody forgets it
    std::unique_ptr<Engine> engine_;
    TerminalDesk desk_;
    std::optional<ToolRunner> tools_;
    Settings settings_;  // what was changed since the start
    std::shared_ptr<std::atomic<bool>> end_thought_;
    int64_t context_used_ = 0;
    std::unique_ptr<chat::ChatModel> chat_;      // points into the engine
    std::shared_ptr<grammar::Constraint> form_;  // of every answer
    chat::Conversation conversation_;
    Json opening_ = Json::array();  // what every conversation begins with
    chat::ChatModel::Said said_;
    std::optional<chat::ConversationFitter> fitter_;
    std::vector<chat::ReplyCall> calls_;
};

}  // namespace hearth::cli
