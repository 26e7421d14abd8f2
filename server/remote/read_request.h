/* read_request.h - remote-read requests: the message prometheus.ReadRequest. */
#ifndef FERULA_SERVER_REMOTE_READ_REQUEST_H
#define FERULA_SERVER_REMOTE_READ_REQUEST_H

#include "base/arena.h"
#include "base/str.h"

enum { READ_QUERIES_MAX = 1024, READ_MATCHERS_MAX = 1024 };

typedef enum read_response { READ_SAMPLES = 0, READ_STREAMED = 1, READ_UNKNOWN } read_response;

typedef struct read_matcher {
    uint32_t type; /* prometheus.LabelMatcher.Type: the numbers of matcher_type */
    fer_str name, value;
} read_matcher;

typedef struct read_query {
    int64_t start_ms, end_ms; /* both ends inclusive */
    read_matcher *matchers;
    size_t n_matchers, cap_matchers;
} read_query;

/* Views into the message, arrays in the arena. */
typedef struct read_request {
    read_query *queries;
    size_t n_queries, cap_queries;
    /* The first type asked for that we know; SAMPLES where none is asked for; READ_UNKNOWN where none is
     * known. */
    read_response response;
    uint32_t first_type; /* asked for */
} read_request;

/* FER_INVALID for bytes that are no ReadRequest or hold too many queries or matchers; FER_LIMIT past the
 * arena's budget. Hints are not used: the samples asked for are those between start and end. */
FER_MUST_CHECK fer_code read_request_parse(fer_str msg, fer_arena *a, read_request *ret,
                                           fer_err *err);

#endif
