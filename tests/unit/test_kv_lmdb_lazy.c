/* links: hr_kv */
/* Lazy durability: what is kept when the process dies and when the machine stops. A machine that stops
 * is made by hand: the data file of before and after are mixed page by page, as a disk may have it
 * that had written some pages and not others, and the checkpoint is given the name of another boot. */
#include "tests/unit/kv_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/crc32c.h"

#define PAGE 4096u
#define BOOT_AT 8u /* where struct checkpoint has the boot's name */
#define KEYS 200u

struct place {
    char folder[256];
    char url[300];
    char data[300];
    char checkpoint[300];
};

static int place_setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    folder_make(place->folder, sizeof place->folder);
    snprintf(place->url, sizeof place->url, "lmdb:%s?start=64KiB&lazy-ms=600000", place->folder);
    snprintf(place->data, sizeof place->data, "%s/data.mdb", place->folder);
    snprintf(place->checkpoint, sizeof place->checkpoint, "%s/hedgerow.checkpoint", place->folder);
    *state = place;
    return 0;
}

static int place_teardown(void **state)
{
    struct place *place = *state;
    folder_remove(place->folder);
    free(place);
    return 0;
}

struct image {
    char *bytes;
    size_t len;
};

static struct image image_of(const char *path)
{
    struct image image = {0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    image.len = (size_t)st.st_size;
    image.bytes = malloc(image.len);
    assert_non_null(image.bytes);
    assert_int_equal(read(fd, image.bytes, image.len), image.len);
    close(fd);
    return image;
}

static void image_write(const struct image *image, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->bytes, image->len), image->len);
    close(fd);
}

/* Gives the checkpoint the name of another boot. */
static void other_boot(struct image *checkpoint)
{
    memcpy(checkpoint->bytes + BOOT_AT, "another-boot", 12);
    uint32_t crc = hr_crc32c(hr_str_of(checkpoint->bytes, checkpoint->len - 8));
    /* The checksum stands before the padding of the struct's end. */
    memcpy(checkpoint->bytes + checkpoint->len - 8, &crc, sizeof crc);
}

static void put_numbered(struct rig *rig, size_t number, const char *value)
{
    char key[32];
    snprintf(key, sizeof key, "key%05zu", number);
    assert_err(rig_put(rig, key, value), HR_OK);
}

/* Whether the store has just the keys below @count, each with @value. */
static void assert_numbered(struct rig *rig, size_t count, const char *value)
{
    struct hr_kv_scan scan = {
        .bucket = HR_STR("bucket"), .prefix = HR_STR("key"), .limit = HR_KV_SCAN_ITEMS_MAX};
    struct hr_kv_page page;
    assert_err(hr_kv_scan_now(rig->port, &scan, &rig->arena, &page), HR_OK);
    assert_int_equal(page.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_str(page.entries[i].value, hr_str_c(value));
    }
}

/* An orderly close leaves no checkpoint; the store then opens as either kind. */
static void lazy_orderly_close_is_intact(void **state)
{
    struct place *place = *state;
    struct rig rig;
    rig_open_as(&rig, place->url, HR_KV_LAZY);
    assert_int_equal(rig.kv->past, HR_KV_FRESH);
    put_numbered(&rig, 0, "x");
    assert_int_equal(access(place->checkpoint, F_OK), 0);
    rig_close(&rig);
    assert_int_equal(access(place->checkpoint, F_OK), -1);
    for (int i = 0; i < 2; i++) {
        rig_open_as(&rig, place->url, i == 0 ? HR_KV_SYNC : HR_KV_LAZY);
        assert_int_equal(rig.kv->past, HR_KV_INTACT);
        assert_numbered(&rig, 1, "x");
        rig_close(&rig);
    }
}

/* When just the process dies every acknowledged commit is there, though none was synced. */
static void lazy_survives_the_death_of_the_process(void **state)
{
    struct place *place = *state;
    int done[2];
    assert_int_equal(pipe(done), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rig rig;
        rig_open_as(&rig, place->url, HR_KV_LAZY);
        for (size_t i = 0; i < KEYS; i++) {
            put_numbered(&rig, i, "value");
        }
        HR_IGNORE(write(done[1], "d", 1));
        pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(done[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(access(place->checkpoint, F_OK), 0);
    struct rig rig;
    rig_open_as(&rig, place->url, HR_KV_SYNC);
    assert_int_equal(rig.kv->past, HR_KV_INTACT);
    assert_numbered(&rig, KEYS, "value");
    rig_close(&rig);
    assert_int_equal(access(place->checkpoint, F_OK), -1);
    close(done[0]);
    close(done[1]);
}

static void put_kept(struct rig *rig)
{
    char keys[KEYS][32];
    struct hr_kv_entry puts[KEYS];
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "key%05zu", i);
        puts[i] = (struct hr_kv_entry){hr_str_c(keys[i]), HR_STR("kept")};
    }
    struct hr_kv_commit commit = {.bucket = HR_STR("bucket"), .puts = puts, .put_count = KEYS};
    assert_err(rig_commit(rig, &commit).err, HR_OK);
}

/* Changes every key many times, with pages freed and used again, beyond the checkpoint. */
static void churn(struct rig *rig, struct dice *dice)
{
    for (size_t i = 0; i < 3 * KEYS; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%05u", (unsigned)dice_roll(dice, 2 * KEYS));
        if (dice_roll(dice, 4) == 0) {
            assert_err(rig_delete(rig, key), HR_OK);
        } else {
            static char bytes[6000];
            struct hr_str value = hr_str_of(bytes, dice_roll(dice, sizeof bytes));
            assert_err(rig_put_str(rig, HR_STR("bucket"), hr_str_c(key), value), HR_OK);
        }
    }
}

/* When the machine stops, whichever of the pages after the checkpoint the disk has and whichever not,
 * the store comes back as it was at the checkpoint, and works on. */
static void lazy_goes_back_to_the_checkpoint(void **state)
{
    struct place *place = *state;
    struct dice dice = dice_from("lazy_goes_back_to_the_checkpoint");
    for (int round = 0; round < 20; round++) {
        char url[400]; /* large enough not to grow: growing moves the checkpoint */
        snprintf(url, sizeof url, "lmdb:%s?start=16MiB&lazy-ms=600000", place->folder);
        struct rig rig;
        rig_open_as(&rig, url, HR_KV_SYNC);
        put_kept(&rig);
        rig_close(&rig);
        rig_open_as(&rig, url, HR_KV_LAZY);
        struct image before = image_of(place->data);
        churn(&rig, &dice);
        struct image checkpoint = image_of(place->checkpoint);
        struct image after = image_of(place->data);
        rig_close(&rig);

        struct image mixed = {malloc(after.len), after.len};
        for (size_t at = 0; at < after.len; at += PAGE) {
            bool written = dice_roll(&dice, 2) == 0;
            memcpy(mixed.bytes + at, (written ? after.bytes : before.bytes) + at, PAGE);
        }
        other_boot(&checkpoint);
        image_write(&mixed, place->data);
        image_write(&checkpoint, place->checkpoint);
        rig_open_as(&rig, url, round % 2 ? HR_KV_SYNC : HR_KV_LAZY);
        assert_int_equal(rig.kv->past, HR_KV_LOSSY);
        assert_numbered(&rig, KEYS, "kept");
        churn(&rig, &dice);
        rig_close(&rig);
        rig_open(&rig, url);
        assert_int_equal(rig.kv->past, HR_KV_INTACT);
        rig_close(&rig);
        free(before.bytes);
        free(after.bytes);
        free(mixed.bytes);
        free(checkpoint.bytes);
        unlink(place->data);
    }
}

/* What tells one checkpoint from another: all before its own checksum, which has the transaction's
 * number. */
static uint32_t stamp_of(const char *path)
{
    struct image image = image_of(path);
    uint32_t stamp = hr_crc32c(hr_str_of(image.bytes, image.len - 8));
    free(image.bytes);
    return stamp;
}

struct watch {
    struct rig *rig;
    struct hr_timer timer;
    const char *path;
    uint32_t first;
    int rounds;
};

static void watch_again(void *arg)
{
    struct watch *watch = arg;
    struct hr_loop *loop = &watch->rig->loop;
    if (stamp_of(watch->path) != watch->first || ++watch->rounds == 20000) {
        hr_loop_stop(loop);
        return;
    }
    hr_loop_timer_start(loop, &watch->timer, 1);
}

/* The checkpoint follows the commits by itself, within lazy-ms, and growing the map moves it too;
 * where it is, the store comes back to. */
static void lazy_checkpoint_moves_by_itself(void **state)
{
    struct place *place = *state;
    char url[400];
    snprintf(url, sizeof url, "lmdb:%s?start=64KiB&lazy-ms=5", place->folder);
    struct rig rig;
    rig_open_as(&rig, url, HR_KV_LAZY);
    struct watch watch = {.rig = &rig, .path = place->checkpoint};
    hr_timer_init(&watch.timer, watch_again, &watch);
    watch.first = stamp_of(place->checkpoint);
    put_numbered(&rig, 0, "x");
    hr_loop_timer_start(&rig.loop, &watch.timer, 1);
    hr_loop_run(&rig.loop);
    assert_true(watch.rounds < 20000);
    struct image checkpoint = image_of(place->checkpoint);
    struct image data = image_of(place->data);
    rig_close(&rig);
    other_boot(&checkpoint);
    image_write(&data, place->data);
    image_write(&checkpoint, place->checkpoint);
    rig_open(&rig, url);
    assert_int_equal(rig.kv->past, HR_KV_LOSSY);
    assert_numbered(&rig, 1, "x");
    rig_close(&rig);
    free(checkpoint.bytes);
    free(data.bytes);
}

/* The map of a lazy store grows too, and what it then goes back to is whole. */
static void lazy_map_grows(void **state)
{
    struct place *place = *state;
    struct rig rig;
    rig_open_as(&rig, place->url, HR_KV_LAZY);
    uint32_t first = stamp_of(place->checkpoint);
    char value[1000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (size_t i = 0; i < 1000; i++) {
        put_numbered(&rig, i, value);
    }
    assert_true(stamp_of(place->checkpoint) != first);
    rig_close(&rig);
    rig_open(&rig, place->url);
    for (size_t i = 0; i < 1000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key%05zu", i);
        assert_holds(&rig, key, value);
    }
    rig_close(&rig);
}

/* A checkpoint that is damaged is refused: what the data file is worth is then unknown. */
static void lazy_refuses_a_damaged_checkpoint(void **state)
{
    struct place *place = *state;
    struct rig rig;
    rig_open_as(&rig, place->url, HR_KV_LAZY);
    struct image checkpoint = image_of(place->checkpoint);
    rig_close(&rig);
    for (size_t i = 0; i <= checkpoint.len; i += 11) {
        struct image damaged = {malloc(checkpoint.len), checkpoint.len};
        memcpy(damaged.bytes, checkpoint.bytes, checkpoint.len);
        if (i + 8 < checkpoint.len) {
            damaged.bytes[i] = (char)(damaged.bytes[i] ^ 4);
        } else {
            damaged.len -= 1;
        }
        image_write(&damaged, place->checkpoint);
        struct hr_diag diag;
        assert_err(rig_try_open(&rig, place->url, HR_KV_SYNC, &diag), HR_CORRUPT);
        assert_non_null(strstr(diag.text, "hedgerow.checkpoint is damaged"));
        free(damaged.bytes);
    }
    image_write(&checkpoint, place->checkpoint);
    rig_open(&rig, place->url);
    rig_close(&rig);
    free(checkpoint.bytes);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lazy_orderly_close_is_intact),
        CASE(lazy_survives_the_death_of_the_process),
        CASE(lazy_goes_back_to_the_checkpoint),
        CASE(lazy_checkpoint_moves_by_itself),
        CASE(lazy_map_grows),
        CASE(lazy_refuses_a_damaged_checkpoint),
    };
    return cmocka_run_group_tests_name("kv_lmdb_lazy", tests, NULL, NULL);
}
