#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/thread.h"

static void charges_count_on_all_above(void **state)
{
    fer_account root, query;
    fer_account_init(&root, "root", NULL, 1000);
    fer_account_init(&query, "query", &root, 600);
    assert_true(fer_account_charge(&query, 500));
    assert_int_equal(fer_account_used(&query), 500);
    assert_int_equal(fer_account_used(&root), 500);
    fer_account_release(&query, 200);
    assert_int_equal(fer_account_used(&query), 300);
    assert_int_equal(fer_account_used(&root), 300);
    assert_int_equal(fer_account_peak(&query), 500);
    assert_int_equal(fer_account_peak(&root), 500);
}

static void a_refused_charge_leaves_no_trace_but_its_count(void **state)
{
    fer_account root, a, b;
    fer_account_init(&root, "root", NULL, 1000);
    fer_account_init(&a, "a", &root, 600);
    fer_account_init(&b, "b", &root, 0);
    assert_false(fer_account_charge(&a, 601)); /* its own limit */
    assert_int_equal(a.refused, 1);
    assert_int_equal(root.refused, 0);
    assert_true(fer_account_charge(&a, 600));
    assert_false(fer_account_charge(&b, 401)); /* the one above */
    assert_int_equal(b.refused, 0);
    assert_int_equal(root.refused, 1);
    assert_int_equal(fer_account_used(&b), 0);
    assert_int_equal(fer_account_used(&root), 600);
    assert_int_equal(fer_account_peak(&b), 0);
    assert_int_equal(fer_account_peak(&root), 600);
    assert_true(fer_account_charge(&b, 400)); /* exactly full */
    assert_false(fer_account_charge(&b, 1));
}

static void forced_charges_pass_the_limit(void **state)
{
    fer_account root;
    fer_account_init(&root, "root", NULL, 100);
    fer_account_force(&root, 150);
    assert_int_equal(fer_account_used(&root), 150);
    assert_int_equal(fer_account_peak(&root), 150);
    assert_false(fer_account_charge(&root, 1));
    fer_account_release(&root, 150);
    assert_true(fer_account_charge(&root, 100));
}

static void no_account_accepts_everything(void **state)
{
    assert_true(fer_account_charge(NULL, 1ULL << 60));
    fer_account_force(NULL, 1);
    fer_account_release(NULL, 1);
}

typedef struct crowd {
    fer_account root, account;
    _Atomic bool stop;
    int refused;
} crowd;

static void greedy(void *arg)
{
    crowd *c = arg;
    while (!atomic_load(&c->stop)) {
        if (fer_account_charge(&c->account, 10000))
            c->refused = -1000000;
        else
            c->refused++;
    }
}

/* One who asks for too much, again and again, must not push out one who asks for little. */
static void refusing_one_does_not_refuse_another(void **state)
{
    crowd c = {.refused = 0};
    fer_account_init(&c.root, "root", NULL, 1000);
    fer_account_init(&c.account, "account", &c.root, 1000);
    fer_thread t;
    assert_int_equal(fer_thread_start(&t, "greedy", greedy, &c, NULL), FER_OK);
    int lost = 0;
    for (int i = 0; i < 300000; i++) {
        if (fer_account_charge(&c.account, 100))
            fer_account_release(&c.account, 100);
        else
            lost++;
    }
    atomic_store(&c.stop, true);
    fer_thread_join(&t);
    assert_int_equal(lost, 0);
    assert_true(c.refused >= 0);
    assert_int_equal(fer_account_used(&c.root), 0);
    assert_int_equal(fer_account_peak(&c.root), 100);
}

static void memory_is_given_zeroed_grown_and_copied(void **state)
{
    unsigned char *p = fer_calloc(100, 3);
    for (int i = 0; i < 300; i++)
        assert_int_equal(p[i], 0);
    memset(p, 7, 300);
    p = fer_realloc(p, 100000);
    assert_int_equal(p[299], 7);
    p = fer_realloc(p, 0);
    assert_non_null(p);
    fer_free(p);
    fer_free(NULL);
    char *s = fer_memdup0("a\0b", 3);
    assert_memory_equal(s, "a\0b\0", 4);
    fer_free(s);
    s = fer_memdup0(NULL, 0);
    assert_string_equal(s, "");
    fer_free(s);
}

static void without_memory_the_process_stops(void **state)
{
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        volatile size_t huge = SIZE_MAX / 4;
        fer_free(fer_alloc(huge));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charges_count_on_all_above),
        cmocka_unit_test(a_refused_charge_leaves_no_trace_but_its_count),
        cmocka_unit_test(forced_charges_pass_the_limit),
        cmocka_unit_test(no_account_accepts_everything),
        cmocka_unit_test(refusing_one_does_not_refuse_another),
        cmocka_unit_test(memory_is_given_zeroed_grown_and_copied),
        cmocka_unit_test(without_memory_the_process_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
