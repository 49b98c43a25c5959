#include "sink/redis/tls.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct walrow__redis_tls {
    SSL_CTX *context;
    SSL *ssl;
};

/* The first of OpenSSL's errors, which are then forgotten. */
static const char *
reason(void)
{
    unsigned long code = ERR_get_error();
    const char *text = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return text == NULL ? "the connection broke" : text;
}

static walrow_code
fail_file(const char *what, const char *file, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_SINK, "%s \"%s\" cannot be used: %s", what, file, reason());
}

static walrow_code
load_files(const walrow__redis_settings *settings, SSL_CTX *context, walrow_error *err)
{
    if (settings->tls_ca == NULL)
        SSL_CTX_set_default_verify_paths(context);
    else if (SSL_CTX_load_verify_locations(context, settings->tls_ca, NULL) != 1)
        return fail_file("tls_ca", settings->tls_ca, err);
    if (settings->tls_cert == NULL)
        return WALROW_OK;
    if (SSL_CTX_use_certificate_chain_file(context, settings->tls_cert) != 1)
        return fail_file("tls_cert", settings->tls_cert, err);
    if (SSL_CTX_use_PrivateKey_file(context, settings->tls_key, SSL_FILETYPE_PEM) != 1)
        return fail_file("tls_key", settings->tls_key, err);
    return WALROW_OK;
}

/* The certificate has to be of the host that was asked for: an address or a name. */
static bool
expect_host(SSL *ssl, const char *host)
{
    struct in6_addr address;
    bool is_address = inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    if (is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static walrow_code
fail_handshake(const walrow__redis_settings *settings, SSL *ssl, int returned, walrow_error *err)
{
    long verified = SSL_get_verify_result(ssl);
    int kind = SSL_get_error(ssl, returned);
    bool broke = kind != SSL_ERROR_SSL; /* or time was up */
    const char *why = reason();
    if (verified != X509_V_OK)
        why = X509_verify_cert_error_string(verified);
    walrow__fail(err, WALROW_ERR_SINK, "TLS with Redis at %s failed: %s", settings->place, why);
    if (verified != X509_V_OK)
        walrow__hint(err, "name the authority that signed its certificate: ?tls_ca=FILE");
    else
        walrow__hint(err,
                     "is it the port for TLS (tls-port in redis.conf)? does it want a certificate of the "
                     "client, ?tls_cert= and ?tls_key=?");
    if (err != NULL)
        err->retryable = broke;
    return WALROW_ERR_SINK;
}

static walrow_code
shake_hands(walrow__redis_tls *tls, const walrow__redis_settings *settings, int socket, walrow_error *err)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL)
        return walrow__fail_memory(err);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls->context, settings->tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    WALROW_TRY(load_files(settings, tls->context, err));
    tls->ssl = SSL_new(tls->context);
    if (tls->ssl == NULL || SSL_set_fd(tls->ssl, socket) != 1 ||
        (settings->tls_verify && !expect_host(tls->ssl, settings->host)))
        return walrow__fail_memory(err);
    int returned = SSL_connect(tls->ssl);
    return returned == 1 ? WALROW_OK : fail_handshake(settings, tls->ssl, returned, err);
}

walrow_code
walrow__redis_tls_open(const walrow__redis_settings *settings, int socket, walrow__redis_tls **out,
                       walrow_error *err)
{
    walrow__redis_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return walrow__fail_memory(err);
    ERR_clear_error();
    walrow_code code = shake_hands(tls, settings, socket, err);
    if (code == WALROW_OK)
        *out = tls;
    else
        walrow__redis_tls_free(tls);
    return code;
}

void
walrow__redis_tls_free(walrow__redis_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
}

static ssize_t
outcome(walrow__redis_tls *tls, int returned)
{
    if (returned > 0)
        return returned;
    int sys_errno = errno, kind = SSL_get_error(tls->ssl, returned);
    ERR_clear_error();
    if (kind == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE ? EAGAIN
            : kind == SSL_ERROR_SYSCALL && sys_errno != 0               ? sys_errno
                                                                        : ECONNRESET;
    return -1;
}

ssize_t
walrow__redis_tls_read(walrow__redis_tls *tls, void *bytes, size_t size)
{
    errno = 0;
    return outcome(tls, SSL_read(tls->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size));
}

ssize_t
walrow__redis_tls_write(walrow__redis_tls *tls, const void *bytes, size_t size)
{
    errno = 0;
    return outcome(tls, SSL_write(tls->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size));
}
