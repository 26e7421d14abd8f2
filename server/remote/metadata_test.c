/* metadata_test.c - families that wait for the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/remote/metadata.h"

static metadata_family family(const char *name, const char *help)
{
    return (metadata_family){str_of(name), FAMILY_GAUGE, str_of(help), STR(""), false};
}

static void what_is_not_logged_is_asked_for_again(void **state)
{
    (void)state;
    metadata_store *s = metadata_store_new(NULL);
    metadata_family v[] = {family("a", "A."), family("", "No name."), family("b", "B.")};
    assert_int_equal(metadata_store_put_all(s, v, 3), 2);
    assert_true(str_eq(v[0].family, STR("a")) && str_eq(v[1].family, STR("b")));
    v[0].logged = true; /* as the database says of one that has a series */
    metadata_store_staged(s, v, 2);
    metadata_family again[] = {family("a", "A."), family("b", "B.")};
    assert_int_equal(metadata_store_put_all(s, again, 2), 1);
    assert_true(str_eq(again[0].family, STR("b")));

    metadata_family other = family("a", "Other.");
    assert_int_equal(metadata_store_put_all(s, &other, 1), 1);
    metadata_family former = family("a", "A.");
    former.logged = true;
    metadata_store_staged(s, &former, 1); /* too late: it is not what holds */
    assert_int_equal(metadata_store_put_all(s, &other, 1), 1);
    other.logged = true;
    metadata_store_staged(s, &other, 1);
    other.logged = false;
    assert_int_equal(metadata_store_put_all(s, &other, 1), 0);
    metadata_store_log_again(s);
    assert_int_equal(metadata_store_put_all(s, &other, 1), 1);
    metadata_store_free(s);
}

static void what_the_log_told_is_in_it(void **state)
{
    (void)state;
    metadata_store *s = metadata_store_new(NULL);
    metadata_family v = family("a", "A.");
    v.logged = true;
    metadata_store_put(s, &v);
    v.logged = false;
    assert_int_equal(metadata_store_put_all(s, &v, 1), 0);
    metadata_store_free(s);
}

static void texts_are_cut_alike_for_the_log(void **state)
{
    (void)state;
    static char text[2 * METADATA_TEXT_BYTES_MAX + 1];
    memset(text, 'x', sizeof text - 1);
    metadata_store *s = metadata_store_new(NULL);
    metadata_family v = family(text, text);
    assert_int_equal(metadata_store_put_all(s, &v, 1), 1);
    assert_int_equal(v.family.n, METADATA_TEXT_BYTES_MAX);
    assert_int_equal(v.help.n, METADATA_TEXT_BYTES_MAX);
    v.logged = true;
    metadata_store_staged(s, &v, 1);
    v = family(text, text);
    assert_int_equal(metadata_store_put_all(s, &v, 1), 0);
    metadata_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_logged_is_asked_for_again),
        cmocka_unit_test(what_the_log_told_is_in_it),
        cmocka_unit_test(texts_are_cut_alike_for_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
