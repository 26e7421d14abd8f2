#include "server/api/labels_json.h"

#include <string.h>

#include "base/text.h"

enum { COPY_BYTES = 64, TEXTS_BYTES_MAX = 4 * 1024 * 1024 };

/* The label of a value that was written last: its text once it has been written twice. */
struct known_label {
    uint32_t name; /* and 1; 0: none */
    uint32_t at, n;
};

static void make_room(labels_json *j, size_t n)
{
    if (n <= j->cap)
        return;
    j->cap = n < 16 ? 16 : 2 * n;
    j->last = fer_realloc(j->last, j->cap * sizeof *j->last);
    j->ends = fer_realloc(j->ends, j->cap * sizeof *j->ends);
}

/* How many of the labels stand in the text already. */
static size_t shared(const labels_json *j, const label_id *l, size_t n)
{
    size_t most = j->n < n ? j->n : n, i = 0;
    while (i < most && j->last[i].name == l[i].name && j->last[i].value == l[i].value)
        i++;
    return i;
}

static void put_pair(fer_buf *out, const syms *s, label_id l)
{
    text_json(out, syms_text(s, l.name));
    fer_buf_putc(out, ':');
    text_json(out, syms_text(s, l.value));
}

static known_label *known_of(labels_json *j, const syms *s, uint32_t value)
{
    if (value >= j->n_known) {
        uint32_t n = syms_count(s);
        j->known = fer_realloc(j->known, n * sizeof *j->known);
        memset(j->known + j->n_known, 0, (n - j->n_known) * sizeof *j->known);
        j->n_known = n;
    }
    return &j->known[value];
}

/* Keeps a short text; room behind it, so that it can be copied in one piece. */
static void keep(labels_json *j, known_label *k, const char *text, size_t n)
{
    j->texts.max = TEXTS_BYTES_MAX;
    if (n > COPY_BYTES || fer_buf_room(&j->texts, n + COPY_BYTES) == NULL)
        return;
    k->at = (uint32_t)j->texts.n;
    k->n = (uint32_t)n;
    fer_buf_put(&j->texts, text, n);
}

static void put_label(labels_json *j, const syms *s, label_id l)
{
    known_label *k = known_of(j, s, l.value);
    bool again = k->name == l.name + 1;
    if (again && k->n != 0) {
        memcpy(fer_buf_room(&j->text, COPY_BYTES), j->texts.p + k->at, COPY_BYTES);
        j->text.n += k->n;
        return;
    }
    size_t begin = j->text.n;
    put_pair(&j->text, s, l);
    if (again)
        keep(j, k, j->text.p + begin, j->text.n - begin);
    else
        *k = (known_label){.name = l.name + 1};
}

void labels_json_put(labels_json *j, fer_buf *out, const syms *s, const label_id *l, size_t n)
{
    size_t i = shared(j, l, n);
    make_room(j, n);
    j->text.max = SIZE_MAX;
    j->text.n = i == 0 ? 0 : j->ends[i - 1];
    for (; i < n; i++) {
        if (i != 0)
            fer_buf_putc(&j->text, ',');
        put_label(j, s, l[i]);
        j->last[i] = l[i];
        j->ends[i] = j->text.n;
    }
    j->n = n;
    char *at = fer_buf_room(out, j->text.n + 2);
    if (at == NULL)
        return;
    at[0] = '{';
    if (j->text.n != 0)
        memcpy(at + 1, j->text.p, j->text.n);
    at[j->text.n + 1] = '}';
    out->n += j->text.n + 2;
}

void labels_json_done(labels_json *j)
{
    fer_buf_done(&j->text);
    fer_buf_done(&j->texts);
    fer_free(j->known);
    fer_free(j->last);
    fer_free(j->ends);
    *j = (labels_json){0};
}
