// A desk at which answers lie ready; what is said at it is kept.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "cli/tools/tool_desk.h"

namespace hearth::cli {

class FakeDesk : public ToolDesk {
public:
    bool can_ask() const override { return is_attended; }
    std::optional<std::string> ask(const std::string& question) override {
        questions.push_back(question);
        if (answers.empty()) return std::nullopt;
        const std::string answer = answers.front();
        answers.pop_front();
        return answer;
    }
    void announce(const std::string& line) override { announced.push_back(line); }
    void tell(const std::string& line) override { told.push_back(line); }
    void show_error_text(const std::string& text) override { errors += text; }
    bool is_stopped() const override { return stops_after_questions <= questions.size(); }

    bool is_attended = true;
    size_t stops_after_questions = size_t(-1);
    std::deque<std::string> answers;
    std::vector<std::string> questions, announced, told;
    std::string errors;
};

}  // namespace hearth::cli
