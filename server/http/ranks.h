/* ranks.h - lock ranks of the HTTP server: leaves, taken last (docs/server.md). */
#ifndef FERULA_SERVER_HTTP_RANKS_H
#define FERULA_SERVER_HTTP_RANKS_H

enum {
    HTTP_RANK_AUTH = 890,
    HTTP_RANK_POOL = 900,
    HTTP_RANK_CLIENT_COSTS = 905,
    HTTP_RANK_REPLIES = 910,
};

#endif
