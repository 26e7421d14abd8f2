/* rules.c - the parameters of /api/v1/rules. */
#include "server/api/rules.h"

#include "base/text.h"
#include "server/api/params.h"
#include "server/api/reply.h"
#include "server/api/run.h"

/* Text in Go's quotes into the error. */
static fer_code refuse(fer_err *err, const char *before, fer_str s, const char *after)
{
    fer_buf quoted;
    fer_buf_init(&quoted, 1024, NULL);
    text_quote(&quoted, str_head(s, 200));
    fer_fail(err, FER_INVALID, "%s%.*s%s", before, (int)quoted.n, quoted.p, after);
    fer_buf_done(&quoted);
    return FER_INVALID;
}

static fer_code check_page(http_req *r, fer_err *err)
{
    fer_str limit = http_req_param(r, "group_limit"), token = http_req_param(r, "group_next_token");
    int64_t n = 0;
    if (limit.n != 0) {
        if (api_int_param(limit, "ParseInt", &n, err) != FER_OK)
            return fer_err_prefix(
                err, "invalid parameter \"group_limit\": group_limit needs to be a valid number");
        if (n > INT32_MAX || n < INT32_MIN) {
            refuse(err,
                   "invalid parameter \"group_limit\": group_limit needs to be a valid number: "
                   "strconv.ParseInt: parsing ",
                   limit, ": value out of range");
            return FER_INVALID;
        }
        if (n <= 0)
            return fer_fail(
                err, FER_INVALID,
                "invalid parameter \"group_limit\": group_limit needs to be greater than 0");
    }
    if (token.n != 0 && limit.n == 0)
        return fer_fail(err, FER_INVALID,
                        "invalid parameter \"group_next_token\": group_limit needs to be present "
                        "in order to paginate over the groups");
    if (token.n != 0)
        return fer_fail(err, FER_INVALID,
                        "invalid parameter \"group_next_token\": invalid group_next_token '%.*s'. "
                        "were rule groups changed?",
                        STR_FMT(str_head(token, 200)));
    return FER_OK;
}

static fer_code check_params(query_run *run, http_req *r, fer_err *err)
{
    match_set *sets;
    size_t n;
    bool exclude;
    FER_TRY(http_req_parse_form(r, err));
    FER_TRY(api_matchers(run, r, &sets, &n, err));
    fer_str type = http_req_param(r, "type"), alerts = http_req_param(r, "exclude_alerts");
    if (type.n != 0 && !api_is_word(type, "alert") && !api_is_word(type, "record"))
        return refuse(err, "invalid parameter \"type\": not supported value ", type, "");
    if (alerts.n != 0 && !api_parse_bool(alerts, &exclude))
        return refuse(err,
                      "invalid parameter \"exclude_alerts\": error converting exclude_alerts: "
                      "strconv.ParseBool: parsing ",
                      alerts, ": invalid syntax");
    return check_page(r, err);
}

void api_rules(http_req *r, void *arg)
{
    fer_err err;
    query_run *run = query_run_new(arg, r, 0);
    if (check_params(run, r, &err) == FER_OK)
        api_data(r, "{\"groups\":[]}");
    else
        api_error(r, API_BAD_DATA, "%s", err.msg);
    query_run_free(run);
}

void api_alerts(http_req *r, void *arg)
{
    (void)arg;
    api_data(r, "{\"alerts\":[]}");
}

void api_alertmanagers(http_req *r, void *arg)
{
    (void)arg;
    api_data(r, "{\"activeAlertmanagers\":[],\"droppedAlertmanagers\":[]}");
}
