#include "server/api/labels_json.h"

#include "base/text.h"

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

void labels_json_put(labels_json *j, fer_buf *out, const syms *s, const label_id *l, size_t n)
{
    size_t i = shared(j, l, n);
    make_room(j, n);
    j->text.max = SIZE_MAX;
    j->text.n = i == 0 ? 0 : j->ends[i - 1];
    for (; i < n; i++) {
        if (i != 0)
            fer_buf_putc(&j->text, ',');
        text_json(&j->text, syms_text(s, l[i].name));
        fer_buf_putc(&j->text, ':');
        text_json(&j->text, syms_text(s, l[i].value));
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
    fer_free(j->last);
    fer_free(j->ends);
    *j = (labels_json){0};
}
