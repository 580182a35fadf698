// TLS of a build without OpenSSL: there is none, so nothing else here is ever reached.
#include "server/http/tls.h"

namespace hearth::server {

Result<std::shared_ptr<Tls>> Tls::load(TlsFiles) {
    return fail(ErrorKind::unsupported, "this hearth was built without OpenSSL and speaks no TLS",
                "build it on the machine that it runs on, or put a proxy in front of it");
}

Result<bool> Tls::refresh() {
    return false;
}

int64_t Tls::days_left() const {
    return 0;
}

std::unique_ptr<Wire> Tls::accept() {
    return std::make_unique<PlainWire>();
}

}  // namespace hearth::server
