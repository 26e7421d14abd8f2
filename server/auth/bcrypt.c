/* bcrypt.c - libcrypt's bcrypt under Go's rules.
 *
 * A hash is "$2y$CC$" with the cost CC, 22 characters of salt, 31 of result. Go takes any letter (or none) in place of y and
 * always computes the same; libcrypt knows it as 2y. libcrypt ends a password at a NUL and so would take "a\0b" for "a":
 * such passwords never match.
 */
#include "server/auth/bcrypt.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "server/tls/openssl.h"

enum { PREFIX_BYTES = 7, REST_BYTES = 53, RESULT_BYTES = 31, KEY_BYTES = 72, TEXT_BYTES = 61 };

/* The hash as libcrypt reads it; false when it has not its length. */
static bool setting_of(fer_str hash, char ret[TEXT_BYTES])
{
    size_t cost_at = hash.n > 3 && hash.p[2] == '$' ? 3 : 4;
    if (hash.n != cost_at + 3 + REST_BYTES)
        return false;
    fer_str rest = str_from(hash, cost_at);
    snprintf(ret, TEXT_BYTES, "$2y$%.*s", STR_FMT(rest));
    return true;
}

/* Reads all of both, wherever they differ. */
static bool same_bytes(const char *a, const char *b, size_t n)
{
    unsigned char differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

bool bcrypt_matches(fer_str hash, fer_str password)
{
    char setting[TEXT_BYTES], key[KEY_BYTES + 1] = "";
    if (!setting_of(hash, setting))
        return false;
    bool whole = password.n == 0 || memchr(password.p, '\0', password.n) == NULL;
    memcpy(key, password.p, whole && password.n <= KEY_BYTES ? password.n : whole ? KEY_BYTES : 0);
    struct crypt_data *data = fer_calloc(1, sizeof *data);
    const char *got = openssl.crypt_r(key, setting, data);
    bool same = got != NULL && strlen(got) == TEXT_BYTES - 1 &&
                same_bytes(got + TEXT_BYTES - 1 - RESULT_BYTES,
                           setting + TEXT_BYTES - 1 - RESULT_BYTES, RESULT_BYTES);
    openssl.OPENSSL_cleanse(data, sizeof *data);
    openssl.OPENSSL_cleanse(key, sizeof key);
    fer_free(data);
    return same && whole;
}

void bcrypt_fake(fer_str like, char ret[BCRYPT_FAKE_BYTES])
{
    char cost[TEXT_BYTES];
    if (!setting_of(like, cost))
        snprintf(cost, sizeof cost, "$2y$10$");
    /* The result ends in a character whose low bits bcrypt leaves 0: it cannot come out. */
    snprintf(ret, BCRYPT_FAKE_BYTES, "%.*s%s%s", PREFIX_BYTES, cost, "......................",
             "//////////////////////////////9");
}
