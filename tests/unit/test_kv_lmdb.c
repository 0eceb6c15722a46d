/* links: hr_kv */
/* The store's suite, on LMDB. */
#include "tests/unit/kv_suite.h"
#include "tests/unit/kv_suite_threads.h"

static void suite_fresh_url(char *to, size_t size)
{
    char folder[SUITE_URL_MAX - 8];
    folder_make(folder, sizeof folder);
    snprintf(to, size, "lmdb:%s", folder);
}

static void suite_drop(const char *url)
{
    folder_remove(url + strlen("lmdb:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {KV_SUITE};
    return cmocka_run_group_tests_name("kv_lmdb", tests, NULL, NULL);
}
