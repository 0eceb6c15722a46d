/* links: hr_kv */
/* A process that commits is killed at random moments, many times over, on one store: every commit that
 * it was told is done is there, in order, and none is there by half. */
#include "tests/unit/kv_rig.h"

#include <signal.h>
#include <sys/wait.h>

#define KILLS 50
#define OUTSTANDING 16
#define ACKS_MAX 400 /* before a kill */
#define SPIN_NS_MAX 3000000u

/* The child: keeps some commits under way. Commit n puts n into "last", makes "a/n" and "b/n" with the
 * same value, and deletes the pair of n - 100; its callback tells the parent. */
struct child {
    struct rig rig;
    int acks;
    uint64_t next;
};

struct one {
    struct child *child;
    uint64_t number;
};

static void child_commit(struct child *child);

static void child_done(void *arg, enum hr_err err, size_t conflict, const char *detail)
{
    (void)conflict;
    (void)detail;
    struct one *one = arg;
    struct child *child = one->child;
    if (err || write(child->acks, &one->number, sizeof one->number) != sizeof one->number) {
        _exit(1);
    }
    free(one);
    child_commit(child);
}

static void child_commit(struct child *child)
{
    struct one *one = malloc(sizeof *one);
    *one = (struct one){child, child->next++};
    char number[24];
    char a[32];
    char b[32];
    char old_a[32];
    char old_b[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)one->number);
    snprintf(a, sizeof a, "a/%s", number);
    snprintf(b, sizeof b, "b/%s", number);
    snprintf(old_a, sizeof old_a, "a/%llu", (unsigned long long)one->number - 100);
    snprintf(old_b, sizeof old_b, "b/%llu", (unsigned long long)one->number - 100);
    static char bytes[9000]; /* now and then a value on pages of its own */
    struct hr_str value = hr_str_of(bytes, one->number % 7 == 0 ? sizeof bytes : 40);
    memcpy(bytes, number, strlen(number) + 1);
    struct hr_kv_entry puts[] = {
        {hr_str_c(a), value}, {HR_STR("last"), hr_str_c(number)}, {hr_str_c(b), value}};
    struct hr_str deletes[] = {hr_str_c(old_a), hr_str_c(old_b)};
    struct hr_kv_commit commit = {.bucket = HR_STR("bucket"),
                                  .puts = puts,
                                  .put_count = 3,
                                  .deletes = deletes,
                                  .delete_count = 2};
    if (hr_kv_commit(child->rig.port, &commit, child_done, one) != HR_OK) {
        _exit(2);
    }
}

static _Noreturn void child_main(const char *url, enum hr_kv_durability durability, int acks,
                                 uint64_t next)
{
    static struct child child;
    struct hr_diag diag;
    if (rig_try_open(&child.rig, url, durability, &diag) != HR_OK) {
        fprintf(stderr, "%s\n", diag.text);
        _exit(3);
    }
    child.acks = acks;
    child.next = next;
    for (int i = 0; i < OUTSTANDING; i++) {
        child_commit(&child);
    }
    hr_loop_run(&child.rig.loop);
    _exit(4);
}

/* Starts a child, lets it commit for a while, and kills it. Returns the last number that it was told
 * of; @next is the first that it commits. */
static uint64_t run_and_kill(const char *url, enum hr_kv_durability durability, uint64_t next,
                             struct dice *dice)
{
    int acks[2];
    assert_int_equal(pipe(acks), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(acks[0]);
        child_main(url, durability, acks[1], next);
    }
    close(acks[1]);
    uint64_t last = next - 1;
    uint64_t number;
    uint64_t wanted = dice_roll(dice, ACKS_MAX);
    for (uint64_t i = 0; i < wanted; i++) {
        assert_int_equal(read(acks[0], &number, sizeof number), sizeof number);
        assert_true(number == last + 1);
        last = number;
    }
    uint64_t until_ns = hr_now_ns() + dice_roll(dice, SPIN_NS_MAX);
    while (hr_now_ns() < until_ns) {
    }
    kill(pid, SIGKILL);
    while (read(acks[0], &number, sizeof number) == sizeof number) {
        assert_true(number == last + 1); /* told before it died */
        last = number;
    }
    close(acks[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return last;
}

/* Whether the store is just what commits 1 to n leave, for an n that is @acked at least; returns it. */
static uint64_t assert_whole(const char *url, uint64_t acked)
{
    struct rig rig;
    rig_open(&rig, url);
    assert_int_equal(rig.kv->past == HR_KV_LOSSY, false);
    struct answer answer = rig_get(&rig, "last");
    uint64_t last = 0;
    if (answer.err == HR_OK) {
        assert_true(hr_str_to_u64(answer.value, &last));
    }
    assert_true(last >= acked);
    assert_true(last <= acked + OUTSTANDING);
    struct hr_kv_scan scan = {.bucket = HR_STR("bucket"), .limit = 1000, .keys_only = true};
    uint64_t pairs = last < 100 ? last : 100;
    assert_int_equal(rig_scan(&rig, &scan).page.count, 2 * pairs + (last > 0));
    for (uint64_t n = last - pairs + 1; n <= last; n++) {
        char key[2][32];
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)n);
        for (int i = 0; i < 2; i++) {
            snprintf(key[i], sizeof key[i], "%c/%s", 'a' + i, number);
            answer = rig_get(&rig, key[i]);
            assert_err(answer.err, HR_OK);
            assert_int_equal(answer.value.len, n % 7 == 0 ? 9000 : 40);
            assert_string_equal(answer.value.ptr, number);
        }
    }
    rig_close(&rig);
    return last;
}

static void kill_many(enum hr_kv_durability durability, const char *name)
{
    struct dice dice = dice_from(name);
    char folder[256];
    char url[300];
    folder_make(folder, sizeof folder);
    snprintf(url, sizeof url, "lmdb:%s?start=64KiB&lazy-ms=2", folder);
    uint64_t last = 0;
    for (int i = 0; i < KILLS; i++) {
        uint64_t acked = run_and_kill(url, durability, last + 1, &dice);
        last = assert_whole(url, acked);
    }
    print_message("%d kills, %llu commits\n", KILLS, (unsigned long long)last);
    assert_true(last > KILLS);
    folder_remove(folder);
}

/* Synced commits survive. */
static void kill_loses_no_synced_commit(void **state)
{
    (void)state;
    kill_many(HR_KV_SYNC, "kill_loses_no_synced_commit");
}

/* So do lazy ones: the process died, the machine did not. */
static void kill_loses_no_lazy_commit(void **state)
{
    (void)state;
    kill_many(HR_KV_LAZY, "kill_loses_no_lazy_commit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_loses_no_synced_commit),
        cmocka_unit_test(kill_loses_no_lazy_commit),
    };
    return cmocka_run_group_tests_name("kv_lmdb_kill", tests, NULL, NULL);
}
