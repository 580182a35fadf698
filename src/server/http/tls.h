// TLS for those who come over TCP: a certificate with its key, and a Wire for each connection. TLS 1.2 and 1.3, and of
// the protocols in them HTTP/1.1 alone. Nothing outside tls.cpp knows that it is OpenSSL's.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/http/wire.h"

struct ssl_ctx_st;

namespace hearth::server {

struct TlsFiles {
    std::string certificate;  // PEM: the server's own, then those that vouch for it
    std::string key;          // PEM, without a passphrase; not for everybody to read
};

class Tls {
public:
    // An error says which of the two is wrong and why: a wrong, mismatched or expired one is not served with.
    static Result<std::shared_ptr<Tls>> load(TlsFiles files);

    // Looks whether the files are others than those that were read and have come to rest since the last look, and
    // then takes them for new connections; true: it did. After an error the former ones stay. Not from two threads.
    Result<bool> refresh();
    const TlsFiles& files() const { return files_; }
    int64_t days_left() const;  // until the certificate expires

    std::unique_ptr<Wire> accept();  // from any thread

private:
    using Context = std::shared_ptr<ssl_ctx_st>;
    struct Loaded {
        Context context;
        int64_t days_left;
    };
    explicit Tls(TlsFiles files) : files_(std::move(files)) {}
    static Result<Loaded> read(const TlsFiles& files);
    std::string state() const;  // of the files: changes when they do

    const TlsFiles files_;
    std::string state_, latest_state_;
    mutable std::mutex mutex_;
    Loaded loaded_;
};

}  // namespace hearth::server
