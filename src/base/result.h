// How failure travels: Result wherever the outside world can be wrong, assertions where only we can be.
#pragma once

#include <fmt/format.h>

#include <expected>
#include <string>
#include <utility>

namespace hearth {

enum class ErrorKind { not_found, bad_file, unsupported, bad_request, out_of_memory, device, cancelled };

// `what` says what went wrong and why, `try_this` what to do about it; together they make one line for a person.
struct Error {
    ErrorKind kind = ErrorKind::bad_request;
    std::string what;
    std::string try_this;

    std::string line() const { return try_this.empty() ? what : what + "; " + try_this; }
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string what, std::string try_this = {}) {
    return std::unexpected(Error{kind, std::move(what), std::move(try_this)});
}

}  // namespace hearth

// Value of a Result, or return its error from the enclosing function.
#define TRY(...)                                                                  \
    ({                                                                            \
        auto try_result_ = (__VA_ARGS__);                                         \
        if (!try_result_) return std::unexpected(std::move(try_result_).error()); \
        std::move(try_result_).value();                                           \
    })
