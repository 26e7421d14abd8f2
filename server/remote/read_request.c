/* read_request.c - the scan of a ReadRequest.
 *
 *   ReadRequest  { repeated Query queries = 1; repeated ResponseType accepted_response_types = 2; }
 *   Query        { int64 start_timestamp_ms = 1; int64 end_timestamp_ms = 2;
 *                  repeated LabelMatcher matchers = 3; ReadHints hints = 4; }
 *   LabelMatcher { Type type = 1; string name = 2; string value = 3; }
 */
#include "server/remote/read_request.h"

#include "server/remote/pb.h"

/* The next place of an array in the arena; NULL past its budget. */
static void *push(fer_arena *a, void **v, size_t *n, size_t *cap, size_t size)
{
    if (*n == *cap) {
        size_t more = *cap == 0 ? 4 : *cap * 2;
        void *grown = fer_arena_grow(a, *v, *cap * size, more * size);
        if (grown == NULL)
            return NULL;
        *v = grown;
        *cap = more;
    }
    char *at = (char *)*v + *n * size;
    memset(at, 0, size);
    ++*n;
    return at;
}

static fer_code scan_matcher(fer_str msg, read_matcher *ret)
{
    fer_rd r = rd_of(msg);
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num == 1 && f.type == PB_VARINT)
            ret->type = (uint32_t)f.u;
        else if (f.num == 2 && f.type == PB_BYTES)
            ret->name = f.bytes;
        else if (f.num == 3 && f.type == PB_BYTES)
            ret->value = f.bytes;
        else if (f.num <= 3)
            return FER_CORRUPT;
    }
}

static fer_code add_matcher(fer_str msg, fer_arena *a, read_query *q)
{
    if (q->n_matchers == READ_MATCHERS_MAX)
        return FER_INVALID;
    read_matcher *m =
        push(a, (void **)&q->matchers, &q->n_matchers, &q->cap_matchers, sizeof *q->matchers);
    if (m == NULL)
        return FER_LIMIT;
    m->name = m->value = STR("");
    return scan_matcher(msg, m);
}

static fer_code scan_query(fer_str msg, fer_arena *a, read_query *ret)
{
    fer_rd r = rd_of(msg);
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num == 1 && f.type == PB_VARINT)
            ret->start_ms = (int64_t)f.u;
        else if (f.num == 2 && f.type == PB_VARINT)
            ret->end_ms = (int64_t)f.u;
        else if (f.num == 3 && f.type == PB_BYTES)
            FER_TRY(add_matcher(f.bytes, a, ret));
        else if (f.num <= 3 || (f.num == 4 && f.type != PB_BYTES))
            return FER_CORRUPT;
    }
}

static fer_code add_query(fer_str msg, fer_arena *a, read_request *q)
{
    if (q->n_queries == READ_QUERIES_MAX)
        return FER_INVALID;
    read_query *query =
        push(a, (void **)&q->queries, &q->n_queries, &q->cap_queries, sizeof *q->queries);
    return query == NULL ? FER_LIMIT : scan_query(msg, a, query);
}

static void note_type(read_request *q, bool *asked, uint32_t type)
{
    if (!*asked) {
        q->first_type = type;
        q->response = READ_UNKNOWN;
    }
    *asked = true;
    if (q->response == READ_UNKNOWN && type <= READ_STREAMED)
        q->response = (read_response)type;
}

/* One type, or several packed. */
static fer_code scan_types(const pb_field *f, read_request *q, bool *asked)
{
    if (f->type == PB_VARINT) {
        note_type(q, asked, (uint32_t)f->u);
        return FER_OK;
    }
    if (f->type != PB_BYTES)
        return FER_CORRUPT;
    fer_rd r = rd_of(f->bytes);
    while (r.p != r.end) {
        uint64_t v;
        FER_TRY(rd_uvarint(&r, &v));
        note_type(q, asked, (uint32_t)v);
    }
    return FER_OK;
}

fer_code read_request_parse(fer_str msg, fer_arena *a, read_request *ret, fer_err *err)
{
    fer_rd r = rd_of(msg);
    bool asked = false;
    *ret = (read_request){.response = READ_SAMPLES};
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        if (c == FER_OK && f.num == 1)
            c = f.type == PB_BYTES ? add_query(f.bytes, a, ret) : FER_CORRUPT;
        else if (c == FER_OK && f.num == 2)
            c = scan_types(&f, ret, &asked);
        if (c == FER_LIMIT)
            return fer_fail_budget(err, "remote read");
        if (c == FER_INVALID)
            return fer_fail(err, FER_INVALID, "more than %d queries or %d matchers in one of them",
                            READ_QUERIES_MAX, READ_MATCHERS_MAX);
        if (c != FER_OK)
            return fer_fail(err, FER_INVALID,
                            "proto: malformed prometheus.ReadRequest in the field at byte %td",
                            f.start - (const uint8_t *)msg.p);
    }
}
