// What lies between a connection and its socket: nothing, or TLS. Turns bytes of the socket into what the other side
// says, and what it is to be told into bytes for the socket; never touches the socket itself, so that reading, writing
// and patience are the same for all. Of one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hearth::server {

class Wire {
public:
    enum class Heard {
        fine,
        end,     // the other side will say nothing more
        broken,  // it does not keep to the protocol; what outgoing() still has are last words
        plain,   // it speaks HTTP where TLS was expected; what it is told from here on is not encrypted
    };

    virtual ~Wire() = default;
    virtual Heard receive(std::string_view from_socket, std::string& said) = 0;  // appends
    // The next bytes for the socket, of its own or of what is left `to_say`; empty: there are none. They stay where
    // they are until sent() has heard of all of them.
    virtual std::string_view outgoing(std::string_view to_say) = 0;
    virtual size_t sent(size_t bytes) = 0;  // returns how many bytes of what was to be said have gone with them
    virtual bool is_ready() const = 0;      // for what is to be said
    virtual void end() = 0;                 // nothing more will be said: outgoing() has the words for that
};

class PlainWire final : public Wire {
public:
    Heard receive(std::string_view from_socket, std::string& said) override {
        said += from_socket;
        return Heard::fine;
    }
    std::string_view outgoing(std::string_view to_say) override { return to_say; }
    size_t sent(size_t bytes) override { return bytes; }
    bool is_ready() const override { return true; }
    void end() override {}
};

}  // namespace hearth::server
