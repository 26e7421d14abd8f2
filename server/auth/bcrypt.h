/* bcrypt.h - comparing a password with a bcrypt hash, as Go's bcrypt.CompareHashAndPassword() does. Slow on purpose. */
#ifndef FERULA_SERVER_AUTH_BCRYPT_H
#define FERULA_SERVER_AUTH_BCRYPT_H

#include <stdbool.h>

#include "base/str.h"

enum { BCRYPT_FAKE_BYTES = 61 };

/* Costs the same whether the password is right or not. openssl_load() must have succeeded. */
bool bcrypt_matches(fer_str hash, fer_str password);
/* A hash with the cost of `like` that no password has; NUL at the end. */
void bcrypt_fake(fer_str like, char ret[BCRYPT_FAKE_BYTES]);

#endif
