#include "server/tls_tunnel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

namespace hearth::test {

namespace {

void extend(X509* certificate, int what, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

int tcp_to(int port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(uint16_t(port));
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(socket, reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
    return socket;
}

void wait_for(int socket, short event) {
    pollfd one{socket, event, 0};
    poll(&one, 1, 20000);
}

// Until it is done or fails for good; 0: it failed.
template <class Call>
int insist(SSL* ssl, int socket, const Call& call) {
    while (true) {
        const int result = call();
        if (result > 0) return result;
        const int why = SSL_get_error(ssl, result);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return 0;
        wait_for(socket, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
    }
}

}  // namespace

std::string make_certificate(const std::string& name, const CertificateWishes& wishes) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wishes.begins_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wishes.ends_s);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                               0);
    X509_set_issuer_name(certificate, subject);
    extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    EXPECT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
    FILE* file = fopen((name + ".pem").c_str(), "w");
    EXPECT_EQ(PEM_write_X509(file, certificate), 1);
    fclose(file);
    file = fopen((name + ".key").c_str(), "w");
    fchmod(fileno(file), 0600);
    const auto* passphrase = reinterpret_cast<const unsigned char*>(wishes.passphrase.data());
    EXPECT_EQ(PEM_write_PrivateKey(file, key, wishes.passphrase.empty() ? nullptr : EVP_aes_128_cbc(), passphrase,
                                   int(wishes.passphrase.size()), nullptr, nullptr),
              1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return name;
}

TlsTunnel::TlsTunnel(int port, const std::string& authority, const TunnelOptions& options)
    : socket_(tcp_to(port)), client_(HttpClient::over(-1)) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(context, authority.c_str(), nullptr);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_security_level(context, 0);  // else it would not even offer what the server must refuse
    SSL_CTX_set_min_proto_version(context, options.version);
    SSL_CTX_set_max_proto_version(context, options.version);
    SSL* ssl = SSL_new(context);
    SSL_CTX_free(context);
    ssl_ = ssl;
    SSL_set1_host(ssl, "localhost");
    std::string offered;
    std::istringstream names(options.protocols);
    for (std::string name; std::getline(names, name, ',');) offered += char(name.size()) + name;
    if (!offered.empty())
        SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(offered.data()), unsigned(offered.size()));
    SSL_set_fd(ssl, socket_);
    is_open_ = SSL_connect(ssl) == 1;
    ERR_clear_error();
    if (!is_open_) return;
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &chosen, &size);
    if (size > 0) protocol_.assign(reinterpret_cast<const char*>(chosen), size);
    version_ = SSL_get_version(ssl);
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    inner_ = ends[0];
    client_ = HttpClient::over(ends[1]);
    fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
    thread_ = std::thread([this, options] { carry(options); });
}

TlsTunnel::~TlsTunnel() {
    client_.close();
    if (thread_.joinable()) thread_.join();
    SSL_free(static_cast<SSL*>(ssl_));
    if (inner_ >= 0) close(inner_);
    close(socket_);
}

bool TlsTunnel::was_ended_politely() {
    if (thread_.joinable()) thread_.join();
    return was_ended_politely_;
}

void TlsTunnel::carry(const TunnelOptions& options) {
    SSL* ssl = static_cast<SSL*>(ssl_);
    char buffer[16384];
    while (true) {
        pollfd both[] = {{socket_, POLLIN, 0}, {inner_, POLLIN, 0}};
        if (SSL_pending(ssl) == 0) poll(both, 2, 20000);
        const int heard = SSL_read(ssl, buffer, sizeof buffer);
        if (heard > 0) {
            if (::send(inner_, buffer, size_t(heard), MSG_NOSIGNAL) != heard) break;
        } else if (const int why = SSL_get_error(ssl, heard); why != SSL_ERROR_WANT_READ) {
            was_ended_politely_ = why == SSL_ERROR_ZERO_RETURN;
            break;
        }
        if ((both[1].revents & (POLLIN | POLLHUP)) == 0) continue;
        const ssize_t said = recv(inner_, buffer, sizeof buffer, 0);
        if (said <= 0) {
            if (options.ends_politely) SSL_shutdown(ssl);
            break;
        }
        if (options.renews_keys) SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        if (insist(ssl, socket_, [&] { return SSL_write(ssl, buffer, int(said)); }) == 0) break;
    }
    ERR_clear_error();
    shutdown(inner_, SHUT_RDWR);
    shutdown(socket_, SHUT_RDWR);
}

}  // namespace hearth::test
