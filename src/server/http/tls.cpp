#include "server/http/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <system_error>

namespace hearth::server {

namespace {

constexpr int64_t kMostFileBytes = 1 << 20;
constexpr size_t kSliceBytes = 64 << 10;  // encrypted at a time: a large answer must not hold up the I/O thread

template <auto free>
struct Freed {
    void operator()(auto* one) const { free(one); }
};
using OwnedBio = std::unique_ptr<BIO, Freed<BIO_free>>;
using OwnedKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using OwnedCertificate = std::unique_ptr<X509, Freed<X509_free>>;
using OwnedSsl = std::unique_ptr<SSL, Freed<SSL_free>>;

// What OpenSSL complained about last, and nothing left of it.
std::string latest_complaint() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    const char* reason = code ? ERR_reason_error_string(code) : nullptr;
    return reason ? reason : "unknown reason";
}

Result<std::string> read_small(const std::string& path, bool is_secret) {
    const auto failure = [&](int code) {
        return fail(ErrorKind::bad_file, fmt::format("cannot read {}: {}", path, std::generic_category().message(code)),
                    is_secret ? "check --tls-key" : "check --tls-cert");
    };
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return failure(errno);
    const std::unique_ptr<const int, void (*)(const int*)> closed(&file, [](const int* one) { ::close(*one); });
    struct stat info {};
    if (fstat(file, &info) != 0) return failure(errno);
    if (S_ISDIR(info.st_mode)) return failure(EISDIR);
    if (is_secret && (info.st_mode & 07) != 0)
        return fail(ErrorKind::bad_file, fmt::format("everybody on this machine can read the key {}", path),
                    fmt::format("chmod 600 {}", path));
    if (info.st_size > kMostFileBytes)
        return fail(ErrorKind::bad_file, fmt::format("{} is larger than any certificate or key", path));
    std::string text(size_t(kMostFileBytes), '\0');
    size_t got = 0;
    for (ssize_t count; (count = ::read(file, text.data() + got, text.size() - got)) != 0; got += size_t(count))
        if (count < 0) return failure(errno);
    text.resize(got);
    return text;
}

OwnedBio bio_over(const std::string& text) {
    return OwnedBio(BIO_new_mem_buf(text.data(), int(text.size())));
}

std::string date_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                       parts.tm_hour, parts.tm_min);
}

Result<int64_t> days_left_of(const X509* certificate, const std::string& path) {
    const ASN1_TIME *begin = X509_get0_notBefore(certificate), *end = X509_get0_notAfter(certificate);
    if (X509_cmp_current_time(begin) > 0)
        return fail(ErrorKind::bad_file, fmt::format("the certificate {} is valid only from {}", path, date_of(begin)),
                    "check the clock of this machine, or give another --tls-cert");
    int days = 0, seconds = 0;
    if (X509_cmp_current_time(end) < 0 || ASN1_TIME_diff(&days, &seconds, nullptr, end) != 1)
        return fail(ErrorKind::bad_file, fmt::format("the certificate {} expired on {}", path, date_of(end)),
                    "renew it");
    return days;
}

// The server's own certificate and those behind it in the file.
Result<int64_t> use_certificates(SSL_CTX& context, const std::string& path) {
    const std::string text = TRY(read_small(path, false));
    const OwnedBio bio = bio_over(text);
    const OwnedCertificate own(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
    if (!own) {
        ERR_clear_error();
        return fail(ErrorKind::bad_file, fmt::format("{} holds no certificate in PEM form", path),
                    "it begins with -----BEGIN CERTIFICATE-----");
    }
    const int64_t days = TRY(days_left_of(own.get(), path));
    if (SSL_CTX_use_certificate(&context, own.get()) != 1)
        return fail(ErrorKind::bad_file,
                    fmt::format("the certificate {} cannot be used: {}", path, latest_complaint()));
    while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
        if (SSL_CTX_add0_chain_cert(&context, next) != 1) {
            X509_free(next);
            return fail(ErrorKind::bad_file,
                        fmt::format("a certificate of {} cannot be used: {}", path, latest_complaint()));
        }
    const unsigned long end = ERR_peek_last_error();
    ERR_clear_error();
    if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE)
        return fail(ErrorKind::bad_file, fmt::format("a certificate behind the first of {} is damaged", path));
    return days;
}

Result<> use_key(SSL_CTX& context, const TlsFiles& files) {
    std::string text = TRY(read_small(files.key, true));
    const OwnedBio bio = bio_over(text);
    bool wants_passphrase = false;
    const auto no_passphrase = [](char*, int, int, void* wanted) { return *static_cast<bool*>(wanted) = true, -1; };
    const OwnedKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, &wants_passphrase));
    OPENSSL_cleanse(text.data(), text.size());
    if (!key) {
        ERR_clear_error();
        if (wants_passphrase)
            return fail(ErrorKind::bad_file, fmt::format("the key {} wants a passphrase", files.key),
                        "give one without: openssl pkey -in KEY -out NEW");
        return fail(ErrorKind::bad_file, fmt::format("{} holds no key in PEM form", files.key),
                    "it begins with -----BEGIN PRIVATE KEY-----");
    }
    if (X509_check_private_key(SSL_CTX_get0_certificate(&context), key.get()) != 1) {
        ERR_clear_error();
        return fail(ErrorKind::bad_file,
                    fmt::format("the key {} is not that of the certificate {}", files.key, files.certificate),
                    "give both of the same pair; of several certificates in the file the server's own comes first");
    }
    if (SSL_CTX_use_PrivateKey(&context, key.get()) != 1)
        return fail(ErrorKind::bad_file, fmt::format("the key {} cannot be used: {}", files.key, latest_complaint()));
    return {};
}

// A client that names protocols and not this one wants something that would not work.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) {
    static constexpr unsigned char kHttp[] = "\x08http/1.1";
    unsigned char* out = nullptr;
    if (SSL_select_next_proto(&out, size, kHttp, sizeof kHttp - 1, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = out;
    return SSL_TLSEXT_ERR_OK;
}

class TlsWire final : public Wire {
public:
    explicit TlsWire(OwnedSsl ssl) : ssl_(std::move(ssl)) {
        is_broken_ = !ssl_;  // no memory
        if (is_broken_) return;
        in_ = BIO_new(BIO_s_mem());
        out_ = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl_.get(), in_, out_);
        SSL_set_accept_state(ssl_.get());
    }

    Heard receive(std::string_view from_socket, std::string& said) override {
        if (is_plain_) return Heard::plain;
        if (is_broken_) return Heard::broken;
        BIO_write(in_, from_socket.data(), int(from_socket.size()));
        while (true) {
            ERR_clear_error();
            const int count = SSL_read(ssl_.get(), buffer_.data(), int(buffer_.size()));
            if (count > 0) {
                said.append(buffer_.data(), size_t(count));
                continue;
            }
            const int why = SSL_get_error(ssl_.get(), count);
            if (why == SSL_ERROR_WANT_READ) return Heard::fine;
            if (why == SSL_ERROR_ZERO_RETURN) return Heard::end;
            const int reason = ERR_GET_REASON(ERR_peek_error());
            ERR_clear_error();
            is_broken_ = true;
            if (reason != SSL_R_HTTP_REQUEST) return Heard::broken;
            is_plain_ = true;
            return Heard::plain;
        }
    }

    std::string_view outgoing(std::string_view to_say) override {
        if (is_plain_) return to_say;
        if (!ssl_) return {};
        if (sending_.empty()) {
            if (BIO_ctrl_pending(out_) == 0 && !to_say.empty() && is_ready() && !is_broken_) say(to_say);
            sending_.resize(BIO_ctrl_pending(out_));
            if (!sending_.empty()) BIO_read(out_, sending_.data(), int(sending_.size()));
        }
        return std::string_view(sending_).substr(sent_);
    }

    size_t sent(size_t bytes) override {
        if (is_plain_) return bytes;
        sent_ += bytes;
        if (sent_ < sending_.size()) return 0;
        sending_.clear();
        sent_ = 0;
        return std::exchange(saying_, 0);
    }

    bool is_ready() const override { return is_plain_ || (ssl_ && SSL_is_init_finished(ssl_.get())); }

    void end() override {
        if (is_plain_ || is_broken_ || !is_ready()) return;
        ERR_clear_error();
        SSL_shutdown(ssl_.get());
        ERR_clear_error();
    }

private:
    void say(std::string_view words) {
        words = words.substr(0, kSliceBytes);
        ERR_clear_error();
        // Into memory: it takes all or fails for good.
        if (SSL_write(ssl_.get(), words.data(), int(words.size())) == int(words.size()))
            saying_ = words.size();
        else
            is_broken_ = true;
        ERR_clear_error();
    }

    OwnedSsl ssl_;
    BIO *in_ = nullptr, *out_ = nullptr;  // the SSL's
    std::array<char, 16 << 10> buffer_;
    std::string sending_;
    size_t sent_ = 0, saying_ = 0;  // of `sending_`; of what was to be said, encrypted in it
    bool is_broken_ = false, is_plain_ = false;
};

}  // namespace

Result<Tls::Loaded> Tls::read(const TlsFiles& files) {
    // What the machine's configuration of OpenSSL may ask for, programs and libraries of others, is not for us.
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    const Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    if (!context) return fail(ErrorKind::out_of_memory, "OpenSSL cannot be started: " + latest_complaint());
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(),
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Of TLS 1.2 what has forward secrecy and authenticates what it encrypts, as 1.3 always does.
    if (SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        return fail(ErrorKind::unsupported, "OpenSSL lacks the ciphers of today: " + latest_complaint());
    SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);          // of connections that rest
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);  // clients keep tickets
    SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
    const int64_t days = TRY(use_certificates(*context, files.certificate));
    TRY(use_key(*context, files));
    return Loaded{context, days};
}

Result<std::shared_ptr<Tls>> Tls::load(TlsFiles files) {
    std::shared_ptr<Tls> tls(new Tls(std::move(files)));
    tls->state_ = tls->latest_state_ = tls->state();
    tls->loaded_ = TRY(read(tls->files_));
    return tls;
}

std::string Tls::state() const {
    std::string text;
    for (const std::string* path : {&files_.certificate, &files_.key}) {
        struct stat info {};
        if (stat(path->c_str(), &info) != 0) info = {};
        text += fmt::format("{}:{}:{}:{}.{} ", info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                            info.st_mtim.tv_nsec);
    }
    return text;
}

Result<bool> Tls::refresh() {
    const std::string now = state();
    // One file may be written before the other.
    const bool is_at_rest = std::exchange(latest_state_, now) == now;
    if (now == state_ || !is_at_rest) return false;
    state_ = now;
    Loaded fresh = TRY(read(files_));
    const std::lock_guard lock(mutex_);
    loaded_ = std::move(fresh);
    return true;
}

int64_t Tls::days_left() const {
    const std::lock_guard lock(mutex_);
    return loaded_.days_left;
}

std::unique_ptr<Wire> Tls::accept() {
    Context context;
    {
        const std::lock_guard lock(mutex_);
        context = loaded_.context;
    }
    return std::make_unique<TlsWire>(OwnedSsl(SSL_new(context.get())));
}

}  // namespace hearth::server
