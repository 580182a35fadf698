// The client's side of TLS: certificates made on the spot, and a tunnel through which a client that knows no TLS speaks
// it.
#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "server/client.h"

namespace hearth::test {

struct CertificateWishes {
    int64_t begins_s = -3600, ends_s = 30 * 86400 + 3600;  // from now
    std::string passphrase;                                // of the key
};
// For localhost and 127.0.0.1, vouching for itself: NAME.pem and NAME.key; returns NAME.
std::string make_certificate(const std::string& name, const CertificateWishes& wishes = {});

struct TunnelOptions {
    int version = 0;             // the only one that is offered (0x0303: 1.2, 0x0304: 1.3); 0: all
    std::string protocols;       // of ALPN, separated by commas
    bool renews_keys = false;    // in front of everything it says
    bool ends_politely = false;  // where the client closes
};

// One connection. What the client sends and hears travels in TLS between here and the server.
class TlsTunnel {
public:
    TlsTunnel(int port, const std::string& authority, const TunnelOptions& options = {});
    ~TlsTunnel();

    bool is_open() const { return is_open_; }  // the handshake succeeded, and the server is who the authority says
    std::string protocol() const { return protocol_; }
    std::string version() const { return version_; }
    HttpClient& client() { return client_; }
    bool was_ended_politely();  // by the server; waits for the end

private:
    void carry(const TunnelOptions& options);

    void* ssl_ = nullptr;
    int socket_ = -1, inner_ = -1;
    bool is_open_ = false, was_ended_politely_ = false;
    std::string protocol_, version_;
    HttpClient client_;
    std::thread thread_;
};

}  // namespace hearth::test
