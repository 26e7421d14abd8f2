/* openssl.c - the table of functions. */
#include "server/tls/openssl.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

openssl_table openssl;

static fer_code find(void *library, const char *name, void *ret, fer_err *err)
{
    void *p = dlsym(library, name);
    if (p == NULL)
        return fer_fail(err, FER_UNSUPPORTED, "cannot load %s: %s", name, dlerror());
    memcpy(ret, &p, sizeof p);
    return FER_OK;
}

static fer_code load(const char *library, void **ret, fer_err *err)
{
    *ret = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    return *ret != NULL ? FER_OK
                        : fer_fail(err, FER_UNSUPPORTED, "cannot load %s: %s", library, dlerror());
}

fer_code openssl_load(fer_err *err)
{
    static bool loaded;
    if (loaded)
        return FER_OK;
    void *ssl, *crypto, *crypt;
    FER_TRY(load("libcrypto.so.3", &crypto, err));
    FER_TRY(load("libssl.so.3", &ssl, err));
    FER_TRY(load("libcrypt.so.1", &crypt, err));
#define X(name) FER_TRY(find(ssl, #name, (void *)&openssl.name, err));
    OPENSSL_SSL_FUNCTIONS(X)
#undef X
#define X(name) FER_TRY(find(crypto, #name, (void *)&openssl.name, err));
    OPENSSL_CRYPTO_FUNCTIONS(X)
#undef X
#define X(name) FER_TRY(find(crypt, #name, (void *)&openssl.name, err));
    OPENSSL_CRYPT_FUNCTIONS(X)
#undef X
    loaded = true;
    return FER_OK;
}
