// What a client may ask of the server's memory and patience.
#pragma once

#include <cstddef>

namespace hearth::server {

struct Limits {
    size_t head_bytes = 64 << 10;  // request line and headers
    size_t headers = 100;
    size_t body_bytes = size_t{64} << 20;
    size_t all_bodies_bytes = size_t{256} << 20;  // of all requests that are read or answered at a time
    int json_depth = 100;
    size_t connections = 512;
    size_t unsent_bytes = size_t{4} << 20;  // of a stream whose client does not read; then it is given up
    size_t ahead_bytes = 64 << 10;  // of further requests, while one is answered; behind more the connection ends
    // Seconds.
    double idle = 75;             // between two requests
    double handshake = 10;        // of TLS, from the first byte to the last
    double head = 20;             // from the first byte of a request to the end of its headers
    double body = 15;             // of waiting for the body; what comes faster than body_rate buys no more than that
    double write = 30;            // without one byte getting through
    double linger = 2;            // for the client to hear the last answer before the connection is closed
    double heartbeat = 15;        // a comment in a stream of events that is silent for so long
    double tick = 0.1;            // how often all these are looked at
    size_t body_rate = 16 << 10;  // bytes per second
};

}  // namespace hearth::server
