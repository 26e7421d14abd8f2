/* pem.c */
#include "server/tls/pem.h"

#include "base/buf.h"

enum { LABELS_BYTES_MAX = 4096 };

/* What a PEM text holds: the label of the nth block, n 0 at the end. */
static fer_str pem_label(fer_str text, size_t nth)
{
    static const char begin[] = "-----BEGIN ";
    for (size_t found = 0; text.n != 0;) {
        const char *at = memmem(text.p, text.n, begin, sizeof begin - 1);
        if (at == NULL)
            break;
        text = str_from(text, (size_t)(at - text.p) + sizeof begin - 1);
        const char *end = memmem(text.p, text.n, "-----", 5);
        if (end == NULL)
            break;
        if (found++ == nth)
            return (fer_str){text.p, (size_t)(end - text.p)};
        text = str_from(text, (size_t)(end - text.p) + 5);
    }
    return (fer_str){0};
}

static bool is_key(fer_str label)
{
    static const char key[] = "PRIVATE KEY";
    size_t n = sizeof key - 1;
    return label.n >= n && memcmp(label.p + label.n - n, key, n) == 0;
}

static bool is_certificate(fer_str label)
{
    return str_eq(label, STR("CERTIFICATE"));
}

/* Whether a block of the kind is there. */
static bool has_block(fer_str text, bool (*kind)(fer_str label))
{
    fer_str label;
    for (size_t i = 0; (label = pem_label(text, i)).n != 0; i++)
        if (kind(label))
            return true;
    return false;
}

static void put_labels(fer_str text, fer_buf *out)
{
    fer_str label;
    for (size_t i = 0; (label = pem_label(text, i)).n != 0; i++)
        fer_buf_printf(out, "%s%.*s", i == 0 ? "" : " ", STR_FMT(label));
}

static fer_code other_blocks(fer_str text, const char *wanted, fer_err *err)
{
    fer_buf labels;
    fer_buf_init(&labels, LABELS_BYTES_MAX, NULL);
    put_labels(text, &labels);
    fer_code c = fer_fail(err, FER_INVALID,
                          "tls: failed to find %s after skipping PEM blocks of the following "
                          "types: [%.*s]",
                          wanted, STR_FMT(fer_buf_str(&labels)));
    fer_buf_done(&labels);
    return c;
}

fer_code pem_check_certificate(fer_str text, fer_err *err)
{
    if (has_block(text, is_certificate))
        return FER_OK;
    if (pem_label(text, 0).n == 0)
        return fer_fail(err, FER_INVALID, "tls: failed to find any PEM data in certificate input");
    if (pem_label(text, 1).n == 0 && is_key(pem_label(text, 0)))
        return fer_fail(err, FER_INVALID,
                        "tls: failed to find certificate PEM data in certificate input, but did "
                        "find a private key; PEM inputs may have been switched");
    return other_blocks(text, "\"CERTIFICATE\" PEM block in certificate input", err);
}

fer_code pem_check_key(fer_str text, fer_err *err)
{
    if (has_block(text, is_key))
        return FER_OK;
    if (pem_label(text, 0).n == 0)
        return fer_fail(err, FER_INVALID, "tls: failed to find any PEM data in key input");
    if (pem_label(text, 1).n == 0 && is_certificate(pem_label(text, 0)))
        return fer_fail(
            err, FER_INVALID,
            "tls: found a certificate rather than a key in the PEM for the private key");
    return other_blocks(text, "PEM block with type ending in \"PRIVATE KEY\" in key input", err);
}
