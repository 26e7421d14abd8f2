/* openssl.h - OpenSSL and libcrypt, loaded when they are first needed.
 *
 * Linked the usual way libcrypto would cost every start 18,000 relocations and some 0.9 MiB of memory, with TLS or without. So
 * their functions are called through this table: openssl.SSL_new(ctx). The headers give types and constants; their macros that
 * call functions cannot be used (SSL_CTX_set_mode() is openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_MODE, ...)).
 *
 * Threads: openssl_load() by one at a time; the table does not change after it.
 */
#ifndef FERULA_SERVER_TLS_OPENSSL_H
#define FERULA_SERVER_TLS_OPENSSL_H

#include <crypt.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/err.h"

/* clang-format off */
#define OPENSSL_SSL_FUNCTIONS(X)                                                                   \
    X(SSL_CTX_new) X(SSL_CTX_free) X(SSL_CTX_ctrl) X(SSL_CTX_set_options)                          \
    X(SSL_CTX_set_cipher_list) X(SSL_CTX_use_certificate) X(SSL_CTX_use_PrivateKey)                \
    X(SSL_CTX_set_verify) X(SSL_CTX_set_cert_verify_callback) X(SSL_CTX_get_cert_store)            \
    X(SSL_CTX_set_default_verify_paths) X(SSL_CTX_add_client_CA) X(SSL_CTX_set_alpn_select_cb)     \
    X(SSL_CTX_set_session_id_context) X(SSL_CTX_set_security_level) X(SSL_CTX_set_num_tickets)     \
    X(SSL_new) X(SSL_free) X(SSL_set_bio) X(SSL_set_accept_state) X(SSL_do_handshake)              \
    X(SSL_read) X(SSL_write) X(SSL_shutdown) X(SSL_get_error) X(TLS_server_method)
#define OPENSSL_CRYPTO_FUNCTIONS(X)                                                                \
    X(BIO_new) X(BIO_free) X(BIO_new_mem_buf) X(BIO_meth_new) X(BIO_meth_free)                     \
    X(BIO_meth_set_read) X(BIO_meth_set_write) X(BIO_meth_set_ctrl) X(BIO_set_data)                \
    X(BIO_get_data) X(BIO_set_init) X(BIO_set_flags) X(BIO_clear_flags)                            \
    X(PEM_read_bio_X509) X(PEM_read_bio_PrivateKey) X(X509_free) X(EVP_PKEY_free)                  \
    X(X509_check_private_key) X(X509_get0_pubkey) X(EVP_PKEY_get_base_id) X(X509_STORE_add_cert) X(X509_verify_cert)                           \
    X(X509_STORE_CTX_get0_cert) X(X509_STORE_CTX_set_error) X(X509_get_ext_d2i)                    \
    X(GENERAL_NAMES_free) X(OPENSSL_sk_num) X(OPENSSL_sk_value) X(ASN1_STRING_get0_data)           \
    X(ASN1_STRING_length) X(ERR_peek_error) X(ERR_clear_error) X(ERR_reason_error_string)          \
    X(EVP_sha256) X(HMAC) X(OPENSSL_cleanse)
#define OPENSSL_CRYPT_FUNCTIONS(X) X(crypt_r)
/* clang-format on */

typedef struct openssl_table {
#define X(name) __typeof__(name) *name;
    OPENSSL_SSL_FUNCTIONS(X)
    OPENSSL_CRYPTO_FUNCTIONS(X)
    OPENSSL_CRYPT_FUNCTIONS(X)
#undef X
} openssl_table;

extern openssl_table openssl;

/* Fills the table, once; they stay loaded. FER_UNSUPPORTED names what is missing. */
FER_MUST_CHECK fer_code openssl_load(fer_err *err);

#endif
