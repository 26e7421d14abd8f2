/* openapi_test.c - the text is YAML, and says what it should. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "server/api/openapi.h"
#include "server/config/yaml_tree.h"

static const yaml_node *at(const yaml_node *n, const char *key)
{
    const yaml_node *v = yaml_get(n, key);
    if (v == NULL)
        fail_msg("no %s", key);
    return v;
}

static void the_text_is_yaml(void **state)
{
    (void)state;
    fer_buf text;
    fer_err err;
    fer_arena *a = fer_arena_new(NULL, 16 << 20);
    fer_buf_init(&text, 1 << 20, NULL);
    openapi_put(&text, "9.8.7", "/prom", true);
    yaml_node *tree;
    if (yaml_tree_parse(fer_buf_str(&text), a, &tree, &err) != FER_OK)
        fail_msg("%s", err.msg);
    assert_true(str_eq(at(tree, "openapi")->text, STR("3.2.0")));
    assert_true(str_eq(at(at(tree, "info"), "version")->text, STR("9.8.7")));
    assert_true(str_eq(at(at(tree, "servers")->items[0], "url")->text, STR("/prom/api/v1")));
    const yaml_node *series = at(at(tree, "paths"), "/series");
    const yaml_node *match = at(at(series, "get"), "parameters")->items[0];
    assert_true(str_eq(at(match, "name")->text, STR("match[]")));
    assert_true(str_eq(at(match, "required")->text, STR("true")));
    assert_true(str_eq(at(at(match, "schema"), "type")->text, STR("array")));
    const yaml_node *form = at(at(at(at(series, "post"), "requestBody"), "content"),
                               "application/x-www-form-urlencoded");
    const yaml_node *limit = at(at(at(form, "schema"), "properties"), "limit");
    assert_true(str_eq(at(limit, "type")->text, STR("integer")));
    fer_buf_done(&text);
    fer_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_yaml),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
