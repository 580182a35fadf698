// An error on its way to a client, before a dialect gives it its form.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "base/result.h"

namespace hearth::server {

struct ApiError {
    int status = 400;
    std::string message;
    std::string code = {};      // a word for programs: "model_not_found"; may be empty
    std::string param = {};     // the field that is wrong: "messages[0].role"; may be empty
    int64_t retry_seconds = 0;  // when to come again, with 429 and 503; 0: soon
};

template <class T = void>
using ApiResult = std::expected<T, ApiError>;

int status_of(ErrorKind kind);
ApiError api_error(const Error& error);

}  // namespace hearth::server

// Value of a Result or an ApiResult, or return its error as an ApiError from the enclosing function.
#define API_TRY(...)                                                                                 \
    ({                                                                                               \
        auto try_result_ = (__VA_ARGS__);                                                            \
        if (!try_result_) return std::unexpected(hearth::server::to_api_error(try_result_.error())); \
        std::move(try_result_).value();                                                              \
    })

namespace hearth::server {
inline ApiError to_api_error(const Error& error) {
    return api_error(error);
}
inline ApiError to_api_error(const ApiError& error) {
    return error;
}
}  // namespace hearth::server
