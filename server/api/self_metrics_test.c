/* self_metrics_test.c - a page in text becomes JSON. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "server/api/self_metrics.h"

static const char page[] = "# HELP z_total What \"z\" is.\n# TYPE z_total counter\nz_total 3\n"
                           "# HELP b B\n# TYPE b gauge\n"
                           "b{x=\"1\",y=\"a,}\\\"\\\\\\n\"} -1.5\nb{x=\"2\"} NaN\n"
                           "# HELP h H\n# TYPE h histogram\n"
                           "h_bucket{c=\"d\",le=\"0.5\"} 1\nh_bucket{c=\"d\",le=\"+Inf\"} 2\n"
                           "h_sum{c=\"d\"} 7\nh_count{c=\"d\"} 2\n"
                           "# HELP s S\n# TYPE s summary\n"
                           "s{quantile=\"0.9\"} 4\ns_sum 5\ns_count 6\n"
                           "# HELP none N\n# TYPE none counter\n";

static void check(const char *pattern, const char *want)
{
    fer_buf out;
    fer_regex *re = NULL;
    fer_buf_init(&out, 1 << 20, NULL);
    if (pattern != NULL)
        assert_int_equal(fer_regex_new(str_of(pattern), &re, NULL), FER_OK);
    self_metrics_put(&out, str_of(page), re);
    fer_regex_free(re);
    fer_buf_putc(&out, '\0');
    assert_string_equal(out.p, want);
    fer_buf_done(&out);
}

static void families_come_by_name_in_protobufs_json(void **state)
{
    (void)state;
    check(NULL,
          "[{\"name\":\"b\",\"help\":\"B\",\"type\":\"GAUGE\",\"metric\":["
          "{\"label\":[{\"name\":\"x\",\"value\":\"1\"},{\"name\":\"y\",\"value\":\"a,}"
          "\\\"\\\\\\n\"}],"
          "\"gauge\":{\"value\":-1.5}},"
          "{\"label\":[{\"name\":\"x\",\"value\":\"2\"}],\"gauge\":{\"value\":\"NaN\"}}]},"
          "{\"name\":\"h\",\"help\":\"H\",\"type\":\"HISTOGRAM\",\"metric\":["
          "{\"label\":[{\"name\":\"c\",\"value\":\"d\"}],\"histogram\":{\"sampleCount\":\"2\","
          "\"sampleSum\":7,\"bucket\":[{\"cumulativeCount\":\"1\",\"upperBound\":0.5},"
          "{\"cumulativeCount\":\"2\",\"upperBound\":\"Infinity\"}]}}]},"
          "{\"name\":\"none\",\"help\":\"N\",\"type\":\"COUNTER\",\"metric\":[]},"
          "{\"name\":\"s\",\"help\":\"S\",\"type\":\"SUMMARY\",\"metric\":[{\"summary\":{"
          "\"sampleCount\":\"6\",\"sampleSum\":5,\"quantile\":[{\"quantile\":0.9,\"value\":4}]}}]},"
          "{\"name\":\"z_total\",\"help\":\"What \\\"z\\\" is.\",\"type\":\"COUNTER\",\"metric\":["
          "{\"counter\":{\"value\":3}}]}]");
}

static void a_pattern_chooses_whole_names(void **state)
{
    (void)state;
    check("none|z", "[{\"name\":\"none\",\"help\":\"N\",\"type\":\"COUNTER\",\"metric\":[]}]");
    check("nothing", "[]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_come_by_name_in_protobufs_json),
        cmocka_unit_test(a_pattern_chooses_whole_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
