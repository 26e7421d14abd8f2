/* web_config_fuzz.c - any bytes as a web configuration: an error or a configuration that can be used. */
#include <assert.h>

#include "server/auth/basic_auth.h"
#include "server/config/web_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    web_config *c;
    int line;
    fer_err err;
    fer_str text = {(const char *)data, n};
    if (web_config_parse(text, "folder/web.yml", &c, &line, &err) == FER_OK) {
        for (size_t i = 0; i < c->users.n; i++)
            assert(web_config_hash(c, c->users.v[i].name).n != 0);
        assert(c->tls.cert_file.n == strlen(c->tls.cert_file.p));
        web_config_free(c);
    } else {
        assert(err.msg[0] != '\0' && line >= 0);
    }
    fer_str name, password;
    fer_arena *a = fer_arena_new(NULL, 0);
    if (basic_auth_parse(text, a, &name, &password))
        assert(name.n + 1 + password.n <= n);
    fer_arena_free(a);
    return 0;
}
