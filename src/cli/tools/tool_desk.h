// Who is asked before a command runs and hears how it went: a person at a terminal, or nobody.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hearth::cli {

class ToolDesk {
public:
    virtual ~ToolDesk() = default;
    virtual bool can_ask() const = 0;
    // What was typed, a line; none: Ctrl-C, or there is no more input.
    virtual std::optional<std::string> ask(const std::string& question) = 0;
    virtual void announce(const std::string& line) = 0;         // what runs now
    virtual void tell(const std::string& line) = 0;             // what a person has to know
    virtual void show_error_text(const std::string& text) = 0;  // whole lines that the command wrote to standard error
    virtual bool is_stopped() const = 0;                        // Ctrl-C came
};

class TerminalDesk : public ToolDesk {
public:
    // `announces`: also what nobody was asked about is said.
    TerminalDesk(bool announces, bool colour) : announces_(announces), colour_(colour) {}

    bool can_ask() const override;
    std::optional<std::string> ask(const std::string& question) override;
    void announce(const std::string& line) override;
    void tell(const std::string& line) override;
    void show_error_text(const std::string& text) override;
    bool is_stopped() const override;

private:
    bool announces_, colour_;
};

}  // namespace hearth::cli
