/* context.c - a web configuration as OpenSSL's SSL_CTX.
 *
 * Sessions are not cached on the server; tickets are, by their nature, not either, and are sealed with keys of this context:
 * after a change of configuration or certificate nobody resumes what was agreed on before it.
 */
#include "server/tls/context.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"
#include "server/config/web_file.h"
#include "server/tls/context_int.h"
#include "server/tls/pem.h"

enum { CIPHERS_BYTES_MAX = 4096, LEVEL_DEFAULT = 1, LEVEL_OLD = 0 };

/* Keys with a password cannot be read: nobody is asked for it. */
static int no_password(char *buf, int n, int writing, void *arg)
{
    (void)buf;
    (void)n;
    (void)writing;
    (void)arg;
    return -1;
}

/* The reason OpenSSL gives for its last failure. */
static const char *reason(void)
{
    const char *s = openssl.ERR_reason_error_string(openssl.ERR_peek_error());
    openssl.ERR_clear_error();
    return s == NULL ? "unknown reason" : s;
}

/* ---- certificate and key ---- */

static fer_code use_certificates(SSL_CTX *ctx, fer_str text, fer_err *err)
{
    BIO *b = openssl.BIO_new_mem_buf(text.p, (int)text.n);
    X509 *leaf = b == NULL ? NULL : openssl.PEM_read_bio_X509(b, NULL, no_password, NULL);
    if (leaf == NULL || openssl.SSL_CTX_use_certificate(ctx, leaf) != 1) {
        openssl.X509_free(leaf);
        openssl.BIO_free(b);
        return fer_fail(err, FER_INVALID, "x509: malformed certificate: %s", reason());
    }
    openssl.X509_free(leaf);
    for (X509 *more; (more = openssl.PEM_read_bio_X509(b, NULL, no_password, NULL)) != NULL;)
        if (openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_EXTRA_CHAIN_CERT, 0, more) != 1)
            openssl.X509_free(more);
    openssl.BIO_free(b);
    openssl.ERR_clear_error(); /* the end of the text is an error to OpenSSL */
    return FER_OK;
}

static fer_code check_pair(fer_str cert, EVP_PKEY *key, fer_err *err)
{
    BIO *b = openssl.BIO_new_mem_buf(cert.p, (int)cert.n);
    X509 *leaf = openssl.PEM_read_bio_X509(b, NULL, no_password, NULL);
    bool fits = leaf != NULL && openssl.X509_check_private_key(leaf, key) == 1;
    bool types = leaf != NULL && openssl.EVP_PKEY_get_base_id(openssl.X509_get0_pubkey(leaf)) !=
                                     openssl.EVP_PKEY_get_base_id(key);
    openssl.X509_free(leaf);
    openssl.BIO_free(b);
    openssl.ERR_clear_error();
    if (fits)
        return FER_OK;
    return fer_fail(err, FER_INVALID, "tls: private key %sdoes not match public key%s",
                    types ? "type " : "", types ? " type" : "");
}

static fer_code use_key(SSL_CTX *ctx, fer_str cert, fer_str text, fer_err *err)
{
    BIO *b = openssl.BIO_new_mem_buf(text.p, (int)text.n);
    EVP_PKEY *key = b == NULL ? NULL : openssl.PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    openssl.BIO_free(b);
    openssl.ERR_clear_error();
    if (key == NULL)
        return fer_fail(err, FER_INVALID, "tls: failed to parse private key");
    fer_code c = check_pair(cert, key, err);
    if (c == FER_OK && openssl.SSL_CTX_use_PrivateKey(ctx, key) != 1)
        c = fer_fail(err, FER_INVALID, "tls: %s", reason());
    openssl.EVP_PKEY_free(key);
    return c;
}

static fer_code read_input(fer_str inlined, fer_str file, const char *what, fer_arena *a,
                           fer_str *ret, fer_err *err)
{
    *ret = inlined;
    if (file.n == 0)
        return FER_OK;
    fer_code c = web_file_read(file.p, a, ret, err);
    return c == FER_OK ? FER_OK : (fer_err_prefix(err, "failed to read %s (%s)", what, file.p), c);
}

static fer_code use_pair(SSL_CTX *ctx, const web_tls_config *t, fer_arena *a, fer_err *err)
{
    fer_str cert, key;
    FER_TRY(read_input(t->cert, t->cert_file, "cert_file", a, &cert, err));
    FER_TRY(read_input(t->key, t->key_file, "key_file", a, &key, err));
    fer_code c = pem_check_certificate(cert, err);
    if (c == FER_OK)
        c = pem_check_key(key, err);
    if (c == FER_OK)
        c = use_certificates(ctx, cert, err);
    if (c == FER_OK)
        c = use_key(ctx, cert, key, err);
    openssl.OPENSSL_cleanse((void *)(uintptr_t)key.p, t->key_file.n != 0 ? key.n : 0);
    return c == FER_OK ? FER_OK : (fer_err_prefix(err, "failed to load X509KeyPair"), c);
}

/* ---- certificates of clients ---- */

static fer_code use_client_cas(SSL_CTX *ctx, fer_str text)
{
    BIO *b = openssl.BIO_new_mem_buf(text.p, (int)text.n);
    X509_STORE *store = openssl.SSL_CTX_get_cert_store(ctx);
    for (X509 *ca;
         b != NULL && (ca = openssl.PEM_read_bio_X509(b, NULL, no_password, NULL)) != NULL;) {
        openssl.X509_STORE_add_cert(store, ca);
        openssl.SSL_CTX_add_client_CA(ctx, ca);
        openssl.X509_free(ca);
    }
    openssl.BIO_free(b);
    openssl.ERR_clear_error();
    return FER_OK;
}

/* The text of one alternative name, in buf where need be; n 0 for kinds that are not compared. */
static fer_str san_text(const GENERAL_NAME *name, char buf[INET6_ADDRSTRLEN])
{
    const ASN1_STRING *s = name->d.ia5;
    fer_str bytes = {(const char *)openssl.ASN1_STRING_get0_data(s),
                     (size_t)openssl.ASN1_STRING_length(s)};
    static const char mapped[12] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
    if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI)
        return bytes;
    if (name->type == GEN_IPADD && bytes.n == 16 && memcmp(bytes.p, mapped, sizeof mapped) == 0)
        bytes = str_from(bytes, sizeof mapped);
    if (name->type != GEN_IPADD || (bytes.n != 4 && bytes.n != 16))
        return (fer_str){0};
    return str_of(inet_ntop(bytes.n == 4 ? AF_INET : AF_INET6, bytes.p, buf, INET6_ADDRSTRLEN));
}

static bool is_allowed(const tls_context *x, const GENERAL_NAME *name)
{
    char buf[INET6_ADDRSTRLEN];
    if (name->type != GEN_DNS && name->type != GEN_EMAIL && name->type != GEN_URI &&
        name->type != GEN_IPADD)
        return false;
    fer_str text = san_text(name, buf);
    for (size_t i = 0; i < x->sans.n; i++)
        if (str_eq(text, x->sans.v[i]))
            return true;
    return false;
}

static bool has_allowed_san(const tls_context *x, X509 *cert)
{
    GENERAL_NAMES *names = openssl.X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    const OPENSSL_STACK *stack = (const OPENSSL_STACK *)names;
    int n = names == NULL ? 0 : openssl.OPENSSL_sk_num(stack);
    bool found = false;
    for (int i = 0; i < n && !found; i++)
        found = is_allowed(x, openssl.OPENSSL_sk_value(stack, i));
    openssl.GENERAL_NAMES_free(names);
    return found;
}

/* Only asked when a client shows a certificate. */
static int verify_client(X509_STORE_CTX *store, void *arg)
{
    const tls_context *x = arg;
    if (x->verifies && openssl.X509_verify_cert(store) != 1)
        return 0;
    if (!x->checks_sans || has_allowed_san(x, openssl.X509_STORE_CTX_get0_cert(store)))
        return 1;
    openssl.X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static fer_code use_client_policy(tls_context *x, const web_tls_config *t, fer_err *err)
{
    static const struct {
        const char *name;
        int mode;
        bool verifies;
    } policies[] = {
        {"", SSL_VERIFY_NONE, false},
        {"NoClientCert", SSL_VERIFY_NONE, false},
        {"RequestClientCert", SSL_VERIFY_PEER, false},
        {"RequireAnyClientCert", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, false},
        {"RequireClientCert", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, false},
        {"VerifyClientCertIfGiven", SSL_VERIFY_PEER, true},
        {"RequireAndVerifyClientCert", SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, true},
    };
    size_t i = 0, n = sizeof policies / sizeof *policies;
    while (i < n && !str_eq(t->client_auth_type, str_of(policies[i].name)))
        i++;
    if (i == n)
        return fer_fail(err, FER_INVALID, "invalid ClientAuth: %.*s", STR_FMT(t->client_auth_type));
    bool has_cas = t->client_ca_file.n != 0 || t->client_ca.n != 0;
    if (has_cas && policies[i].mode == SSL_VERIFY_NONE)
        return fer_fail(err, FER_INVALID,
                        "client CA's have been configured without a Client Auth Policy");
    x->verifies = policies[i].verifies;
    if (x->verifies && !has_cas)
        openssl.SSL_CTX_set_default_verify_paths(x->ctx);
    /* Who shows nothing has none of the names. (Prometheus' check of names fails for want of a certificate.) */
    bool asks = policies[i].mode != SSL_VERIFY_NONE && x->checks_sans;
    openssl.SSL_CTX_set_verify(
        x->ctx, policies[i].mode | (asks ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    openssl.SSL_CTX_set_cert_verify_callback(x->ctx, verify_client, x);
    return FER_OK;
}

static fer_code use_client_files(tls_context *x, const web_tls_config *t, fer_arena *a,
                                 fer_err *err)
{
    fer_str text = t->client_ca;
    if (t->client_ca_file.n != 0)
        FER_TRY(web_file_read(t->client_ca_file.p, a, &text, err));
    if (text.n != 0)
        FER_TRY(use_client_cas(x->ctx, text));
    x->checks_sans = t->checks_sans;
    x->sans.v = ARENA_ARRAY(x->a, fer_str, t->client_allowed_sans.n + 1);
    for (; x->sans.n < t->client_allowed_sans.n; x->sans.n++)
        x->sans.v[x->sans.n] = fer_arena_dup(x->a, t->client_allowed_sans.v[x->sans.n]);
    return FER_OK;
}

/* ---- versions, ciphers, groups ---- */

static int version_number(web_tls_version v, int fallback)
{
    switch (v) {
    case WEB_TLS10:
        return TLS1_VERSION;
    case WEB_TLS11:
        return TLS1_1_VERSION;
    case WEB_TLS12:
        return TLS1_2_VERSION;
    case WEB_TLS13:
        return TLS1_3_VERSION;
    case WEB_TLS_DEFAULT:
        break;
    }
    return fallback;
}

static void put_name(fer_buf *out, const char *name)
{
    fer_buf_printf(out, "%s%s", out->n == 0 ? "" : ":", name);
}

/* Go's defaults: forward secrecy, no CBC but as a last resort. */
static void put_default_ciphers(fer_buf *out)
{
    put_name(out, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                  "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"
                  "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA");
}

static fer_code use_ciphers(SSL_CTX *ctx, const web_tls_config *t, int *min, fer_err *err)
{
    fer_buf names;
    fer_buf_init(&names, CIPHERS_BYTES_MAX, NULL);
    for (size_t i = 0; i < t->n_ciphers; i++)
        if (t->ciphers[i]->openssl != NULL)
            put_name(&names, t->ciphers[i]->openssl);
    if (t->n_ciphers != 0 && names.n == 0)
        *min = TLS1_3_VERSION; /* no cipher of older versions is wanted */
    if (names.n == 0)
        put_default_ciphers(&names);
    fer_buf_putc(&names, '\0');
    bool ok = !names.full && openssl.SSL_CTX_set_cipher_list(ctx, names.p) == 1;
    fer_buf_done(&names);
    return ok ? FER_OK : fer_fail(err, FER_INVALID, "tls: cipher_suites: %s", reason());
}

static fer_code use_groups(SSL_CTX *ctx, const web_tls_config *t, fer_err *err)
{
    fer_buf names;
    fer_buf_init(&names, CIPHERS_BYTES_MAX, NULL);
    for (size_t i = 0; i < t->n_curves; i++)
        put_name(&names, t->curves[i]);
    if (t->n_curves == 0)
        put_name(&names, "X25519:P-256:P-384:P-521");
    fer_buf_putc(&names, '\0');
    bool ok = !names.full && openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_GROUPS_LIST, 0, names.p) == 1;
    fer_buf_done(&names);
    return ok ? FER_OK : fer_fail(err, FER_INVALID, "tls: curve_preferences: %s", reason());
}

static fer_code use_versions(SSL_CTX *ctx, const web_tls_config *t, fer_err *err)
{
    int min = version_number(t->min, TLS1_2_VERSION), max = version_number(t->max, TLS1_3_VERSION);
    /* Level 1 takes what Go takes; SHA-1 within TLS 1.1 and older needs 0. The system's own policy is not asked. */
    openssl.SSL_CTX_set_security_level(ctx, min < TLS1_2_VERSION ? LEVEL_OLD : LEVEL_DEFAULT);
    FER_TRY(use_ciphers(ctx, t, &min, err));
    openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, min, NULL);
    openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MAX_PROTO_VERSION, max, NULL);
    return use_groups(ctx, t, err);
}

/* A client that offers protocols must offer HTTP/1.1. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
                           const unsigned char *offered, unsigned n, void *arg)
{
    (void)ssl;
    (void)arg;
    static const char ours[] = "http/1.1";
    for (unsigned i = 0; i < n; i += 1U + offered[i])
        if (offered[i] == sizeof ours - 1 && n - i > offered[i] &&
            memcmp(offered + i + 1, ours, sizeof ours - 1) == 0) {
            *ret = offered + i + 1;
            *ret_n = offered[i];
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void use_habits(SSL_CTX *ctx, const web_tls_config *t)
{
    static const unsigned char id[] = "ferula";
    uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
    if (t->prefer_server_ciphers)
        options |= SSL_OP_CIPHER_SERVER_PREFERENCE;
    openssl.SSL_CTX_set_options(ctx, options);
    openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_MODE,
                         SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_ENABLE_PARTIAL_WRITE,
                         NULL);
    openssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, NULL);
    openssl.SSL_CTX_set_num_tickets(ctx, 1);
    openssl.SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
    openssl.SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

/* ---- life ---- */

static fer_code check_present(const web_config *c, fer_err *err)
{
    const web_tls_config *t = &c->tls;
    if (!web_config_wants_tls(c))
        return fer_fail(err, FER_INVALID, "TLS config is not present");
    if (t->cert_file.n == 0 && t->cert.n == 0)
        return fer_fail(err, FER_INVALID, "missing one of cert or cert_file");
    if (t->key_file.n == 0 && t->key.n == 0)
        return fer_fail(err, FER_INVALID, "missing one of key or key_file");
    return FER_OK;
}

static fer_code fill(tls_context *x, const web_config *c, fer_err *err)
{
    FER_TRY(check_present(c, err));
    FER_TRY(openssl_load(err));
    x->ctx = openssl.SSL_CTX_new(openssl.TLS_server_method());
    if (x->ctx == NULL)
        return fer_fail(err, FER_NOMEM, "tls: %s", reason());
    FER_CLEANUP(fer_arena_freep) fer_arena *files = fer_arena_new(NULL, 0);
    FER_TRY(use_versions(x->ctx, &c->tls, err));
    use_habits(x->ctx, &c->tls);
    FER_TRY(use_pair(x->ctx, &c->tls, files, err));
    FER_TRY(use_client_files(x, &c->tls, files, err));
    return use_client_policy(x, &c->tls, err);
}

fer_code tls_context_new(const web_config *c, tls_context **ret, fer_err *err)
{
    tls_context *x = fer_calloc(1, sizeof *x);
    x->refs = 1;
    x->a = fer_arena_new(NULL, 0);
    fer_code code = fill(x, c, err);
    if (code != FER_OK) {
        tls_context_unref(x);
        return code;
    }
    *ret = x;
    return FER_OK;
}

tls_context *tls_context_ref(tls_context *x)
{
    x->refs++;
    return x;
}

void tls_context_unref(tls_context *x)
{
    if (x == NULL || --x->refs != 0)
        return;
    if (x->ctx != NULL)
        openssl.SSL_CTX_free(x->ctx);
    fer_arena_free(x->a);
    fer_free(x);
}

fer_code tls_check_file(const char *path, int *ret_line, fer_err *err)
{
    web_config *c;
    tls_context *x = NULL;
    FER_TRY(web_config_load(path, &c, ret_line, err));
    fer_code code = web_config_wants_tls(c) ? tls_context_new(c, &x, err) : FER_OK;
    tls_context_unref(x);
    web_config_free(c);
    return code;
}
