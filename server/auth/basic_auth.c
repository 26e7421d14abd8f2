/* basic_auth.c - the pairs remembered, the checks waiting, the thread that does them. */
#include "server/auth/basic_auth.h"

#include <assert.h>
#include <string.h>

#include "base/rng.h"
#include "base/thread.h"
#include "server/auth/bcrypt.h"
#include "server/http/parse.h"
#include "server/http/pool.h"
#include "server/http/ranks.h"
#include "server/tls/openssl.h"

enum { KEY_BYTES = 32, CREDENTIALS_BYTES_MAX = 64 * 1024 };

typedef struct pair_key {
    unsigned char b[KEY_BYTES];
} pair_key;

/* Pairs with one verdict; the newest takes the place of some other one. */
typedef struct memory {
    pair_key keys[BASIC_AUTH_REMEMBERED];
    size_t n;
} memory;

/* One pair that waits, and who waits for it. */
typedef struct attempt attempt;
struct attempt {
    http_job job;
    basic_auth *a;
    attempt *next;
    pair_key key;
    fer_str hash, password; /* own bytes */
    bool known;             /* the user is there */
    http_req **waiting;
    size_t n_waiting;
};

struct basic_auth {
    http_workers *hasher;
    unsigned char secret[KEY_BYTES];
    fer_mutex mu; /* guards what follows */
    memory right, wrong;
    attempt *attempts;
    basic_auth_stats stats;
};

/* ---- remembering ---- */

static bool remembers(const memory *m, const pair_key *k)
{
    for (size_t i = 0; i < m->n; i++)
        if (memcmp(&m->keys[i], k, sizeof *k) == 0)
            return true;
    return false;
}

static void remember(memory *m, const pair_key *k)
{
    size_t at = m->n < BASIC_AUTH_REMEMBERED
                    ? m->n++
                    : (size_t)(fer_rng_u64(fer_rng_system()) % BASIC_AUTH_REMEMBERED);
    m->keys[at] = *k;
}

/* ---- keys ---- */

static void put_sized(fer_buf *b, fer_str s)
{
    uint64_t n = s.n;
    fer_buf_put(b, &n, sizeof n);
    fer_buf_puts(b, s);
}

static pair_key keyed_hash(const basic_auth *a, fer_str text)
{
    pair_key k = {{0}};
    unsigned n = sizeof k.b;
    openssl.HMAC(openssl.EVP_sha256(), a->secret, sizeof a->secret, (const unsigned char *)text.p,
                 text.n, k.b, &n);
    return k;
}

static pair_key key_of(const basic_auth *a, fer_str name, fer_str password, fer_str hash)
{
    fer_buf b;
    fer_buf_init(&b, 4 * CREDENTIALS_BYTES_MAX, NULL);
    put_sized(&b, name);
    put_sized(&b, hash);
    put_sized(&b, password);
    pair_key k = keyed_hash(a, fer_buf_str(&b));
    if (b.p != NULL)
        openssl.OPENSSL_cleanse(b.p, b.cap);
    fer_buf_done(&b);
    return k;
}

/* The hash a user that is not there is compared with: always the same for the name, at the cost of one of the users. */
static void fake_hash(const basic_auth *a, const web_config *c, fer_str name,
                      char ret[BCRYPT_FAKE_BYTES])
{
    pair_key k = keyed_hash(a, name);
    uint32_t v;
    memcpy(&v, k.b, sizeof v);
    bcrypt_fake(c->users.v[v % c->users.n].value, ret);
}

/* ---- checking ---- */

static fer_str own(fer_str s)
{
    return (fer_str){fer_memdup0(s.p, s.n), s.n};
}

static void attempt_free(attempt *t)
{
    openssl.OPENSSL_cleanse((char *)(uintptr_t)t->password.p, t->password.n);
    fer_free((char *)(uintptr_t)t->password.p);
    fer_free((char *)(uintptr_t)t->hash.p);
    fer_free(t->waiting);
    fer_free(t);
}

static void wait_for(attempt *t, http_req *r)
{
    t->waiting = fer_realloc(t->waiting, (t->n_waiting + 1) * sizeof(http_req *));
    t->waiting[t->n_waiting++] = r;
}

static int refuse(http_req *r)
{
    http_resp_header(r, "WWW-Authenticate", STR("Basic"));
    return 401;
}

/* From now on nobody joins it. */
static void take_out(basic_auth *a, attempt *t)
{
    attempt **at = &a->attempts;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

/* Whether anybody still waits; else it is taken out. */
static bool is_wanted(basic_auth *a, attempt *t)
{
    bool wanted = false;
    fer_mutex_lock(&a->mu);
    for (size_t i = 0; i < t->n_waiting && !wanted; i++)
        wanted = !http_req_gone(t->waiting[i]);
    if (!wanted)
        take_out(a, t);
    fer_mutex_unlock(&a->mu);
    return wanted;
}

static bool compare(basic_auth *a, attempt *t)
{
    fer_clock *clock = fer_clock_system();
    uint64_t begun = clock->mono_ns(clock);
    bool right = bcrypt_matches(t->hash, t->password) && t->known;
    double seconds = (double)(clock->mono_ns(clock) - begun) / 1e9;
    fer_mutex_lock(&a->mu);
    take_out(a, t);
    remember(right ? &a->right : &a->wrong, &t->key);
    *(right ? &a->stats.accepted : &a->stats.refused) += t->n_waiting;
    a->stats.checks++;
    a->stats.check_seconds += seconds;
    fer_mutex_unlock(&a->mu);
    return right;
}

static void run_attempt(http_job *job)
{
    attempt *t = (attempt *)((char *)job - offsetof(attempt, job));
    basic_auth *a = t->a;
    bool right = is_wanted(a, t) && compare(a, t);
    for (size_t i = 0; i < t->n_waiting; i++)
        http_admit(t->waiting[i], right ? 0 : refuse(t->waiting[i]));
    attempt_free(t);
}

static attempt *attempt_of(const basic_auth *a, const pair_key *k)
{
    for (attempt *t = a->attempts; t != NULL; t = t->next)
        if (memcmp(&t->key, k, sizeof *k) == 0)
            return t;
    return NULL;
}

static int begin_attempt(basic_auth *a, const pair_key *k, fer_str hash, fer_str password,
                         bool known, http_req *r)
{
    attempt *t = fer_calloc(1, sizeof *t);
    t->job.run = run_attempt;
    t->a = a;
    t->key = *k;
    t->hash = own(hash);
    t->password = own(password);
    t->known = known;
    wait_for(t, r);
    t->next = a->attempts;
    a->attempts = t;
    if (http_workers_add(a->hasher, &t->job))
        return HTTP_ADMIT_LATER;
    a->attempts = t->next;
    attempt_free(t);
    a->stats.busy++;
    http_resp_header(r, "Retry-After", STR("1"));
    return 503;
}

static int check_locked(basic_auth *a, const pair_key *k, fer_str hash, fer_str password,
                        bool known, http_req *r)
{
    if (remembers(&a->right, k)) {
        a->stats.accepted++;
        return 0;
    }
    if (remembers(&a->wrong, k)) {
        a->stats.refused++;
        return refuse(r);
    }
    attempt *t = attempt_of(a, k);
    if (t == NULL)
        return begin_attempt(a, k, hash, password, known, r);
    wait_for(t, r);
    return HTTP_ADMIT_LATER;
}

int basic_auth_check(basic_auth *a, const web_config *c, http_req *r)
{
    fer_str name, password;
    FER_CLEANUP(fer_arena_freep) fer_arena *scratch = fer_arena_new(NULL, 0);
    bool given = basic_auth_parse(http_req_header(r, "Authorization"), scratch, &name, &password);
    char fake[BCRYPT_FAKE_BYTES];
    fer_str hash = {"", 0};
    bool known = false;
    pair_key k;
    if (given) {
        hash = web_config_hash(c, name);
        known = hash.n != 0;
        fake_hash(a, c, name, fake);
        hash = known ? hash : str_of(fake);
        k = key_of(a, name, password, hash);
    }
    fer_mutex_lock(&a->mu);
    int verdict;
    if (given) {
        verdict = check_locked(a, &k, hash, password, known, r);
    } else {
        a->stats.refused++;
        verdict = refuse(r);
    }
    fer_mutex_unlock(&a->mu);
    return verdict;
}

/* ---- the header ---- */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Standard base64 with padding; false for anything else. */
static bool decode_base64(fer_str s, fer_arena *a, fer_str *ret)
{
    if (s.n % 4 != 0)
        return false;
    char *out = fer_arena_alloc(a, s.n / 4 * 3 + 1);
    size_t pad =
        s.n == 0 ? 0 : (s.p[s.n - 1] == '=') + (s.p[s.n - 1] == '=' && s.p[s.n - 2] == '=');
    size_t n = 0;
    for (size_t i = 0; i < s.n; i += 4) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = i + k >= s.n - pad ? 0 : digit_of(s.p[i + k]);
            if (d < 0)
                return false;
            v = v << 6 | (uint32_t)d;
        }
        out[n++] = (char)(v >> 16);
        out[n++] = (char)(v >> 8);
        out[n++] = (char)v;
    }
    *ret = (fer_str){out, n - pad};
    return true;
}

bool basic_auth_parse(fer_str header, fer_arena *a, fer_str *ret_name, fer_str *ret_password)
{
    static const char scheme[] = "Basic ";
    fer_str text;
    size_t n = sizeof scheme - 1;
    if (header.n < n || header.n > CREDENTIALS_BYTES_MAX ||
        !http_str_ieq(str_head(header, n), str_of(scheme)) ||
        !decode_base64(str_from(header, n), a, &text))
        return false;
    const char *colon = memchr(text.p, ':', text.n);
    if (colon == NULL)
        return false;
    *ret_name = (fer_str){text.p, (size_t)(colon - text.p)};
    *ret_password = str_from(text, ret_name->n + 1);
    return true;
}

/* ---- life ---- */

fer_code basic_auth_new(basic_auth **ret, fer_err *err)
{
    FER_TRY(openssl_load(err));
    basic_auth *a = fer_calloc(1, sizeof *a);
    fer_rng_system()->fill(fer_rng_system(), a->secret, sizeof a->secret);
    fer_mutex_init(&a->mu, "basic_auth", HTTP_RANK_AUTH);
    fer_code c = http_workers_new("bcrypt", 1, BASIC_AUTH_QUEUE, false, 0, &a->hasher, err);
    if (c != FER_OK) {
        basic_auth_free(a);
        return c;
    }
    *ret = a;
    return FER_OK;
}

void basic_auth_free(basic_auth *a)
{
    if (a == NULL)
        return;
    http_workers_free(a->hasher);
    assert(a->attempts == NULL);
    fer_mutex_done(&a->mu);
    openssl.OPENSSL_cleanse(a, sizeof *a);
    fer_free(a);
}

void basic_auth_stats_get(basic_auth *a, basic_auth_stats *ret)
{
    fer_mutex_lock(&a->mu);
    *ret = a->stats;
    fer_mutex_unlock(&a->mu);
}
