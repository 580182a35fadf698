#include "server/api/api_error.h"

namespace hearth::server {

int status_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::not_found:
            return 404;
        case ErrorKind::bad_request:
        case ErrorKind::unsupported:
            return 400;
        case ErrorKind::out_of_memory:
            return 503;
        case ErrorKind::bad_file:
        case ErrorKind::device:
        case ErrorKind::cancelled:
            return 500;
    }
    return 500;
}

ApiError api_error(const Error& error) {
    return {.status = status_of(error.kind), .message = error.line()};
}

}  // namespace hearth::server
