/* live.c - one context and the stamps of what it was made of. */
#include "server/tls/live.h"

#include <string.h>

#include "base/mem.h"
#include "server/config/file_stamp.h"

enum { FILES = 3 };

struct tls_live {
    web_live *config;
    fer_log *log;
    tls_context *context; /* NULL: none, err tells why */
    uint64_t generation;  /* of the configuration it was made of */
    file_stamp files[FILES];
    fer_err err;
};

tls_live *tls_live_new(web_live *config, fer_log *log)
{
    tls_live *l = fer_calloc(1, sizeof *l);
    l->config = config;
    l->log = log;
    return l;
}

void tls_live_free(tls_live *l)
{
    if (l == NULL)
        return;
    tls_context_unref(l->context);
    fer_free(l);
}

static void stamp_files(const web_config *c, file_stamp ret[FILES])
{
    const fer_str paths[FILES] = {c->tls.cert_file, c->tls.key_file, c->tls.client_ca_file};
    for (size_t i = 0; i < FILES; i++)
        ret[i] = file_stamp_of(paths[i].n == 0 ? "" : paths[i].p);
}

static void make_again(tls_live *l, const web_config *c, uint64_t generation)
{
    tls_context *made;
    bool first = l->generation == 0;
    if (tls_context_new(c, &made, &l->err) == FER_OK) {
        tls_context_unref(l->context);
        l->context = made;
        if (!first)
            LOGI(l->log, "TLS certificate and configuration read again");
    } else if (l->generation == generation && l->context != NULL) {
        LOGE(l->log, "Unable to read the TLS certificate again, the last one stays", "err",
             l->err.msg);
    } else {
        if (!first)
            LOGE(l->log, "Unable to use the TLS configuration", "err", l->err.msg);
        tls_context_unref(l->context);
        l->context = NULL;
    }
    l->generation = generation;
}

fer_code tls_live_get(tls_live *l, tls_context **ret, fer_err *err)
{
    const web_config *c;
    uint64_t generation;
    file_stamp now[FILES];
    FER_TRY(web_live_get(l->config, &c, &generation, err));
    stamp_files(c, now);
    bool same = generation == l->generation;
    for (size_t i = 0; i < FILES; i++)
        same = same && file_stamp_eq(&now[i], &l->files[i]);
    if (!same) {
        memcpy(l->files, now, sizeof now);
        make_again(l, c, generation);
    }
    if (l->context == NULL)
        return fer_fail(err, l->err.code, "%s", l->err.msg);
    *ret = l->context;
    return FER_OK;
}
