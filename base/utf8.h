/* utf8.h - UTF-8 checks (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
#ifndef FERULA_BASE_UTF8_H
#define FERULA_BASE_UTF8_H

#include <stdint.h>

#include "base/str.h"

bool utf8_valid(fer_str s);
/* Decodes the first rune: its length (1..4), or 0 when s is empty or begins with an invalid
 * sequence (*ret untouched). */
size_t utf8_decode(fer_str s, uint32_t *ret);
/* Encodes to buf (4 bytes); 0 when r is no valid rune. */
size_t utf8_encode(uint32_t r, char *buf);

#endif
