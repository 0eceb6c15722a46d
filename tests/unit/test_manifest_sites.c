/* links: hr_manifest
 * The list of all sites: what it comes out as, and what is said of one that cannot be right. */
#include "manifest_fixture.h"

#define NATS "nats: [nats://h]\n"

/* "aws:61678 gcp:7" */
static void assert_sites(const struct hr_manifest *m, const char *want)
{
    char joined[512] = "";
    for (size_t i = 0; i < m->site_count; i++) {
        size_t len = strlen(joined);
        snprintf(joined + len, sizeof joined - len, "%s%.*s:%u", i ? " " : "",
                 HR_STR_ARG(m->sites[i].name), m->sites[i].id);
    }
    assert_string_equal(joined, want);
}

/* Sites have the numbers that are written beside them, else those of their names; this site has its own. */
static void sites_have_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *sites;
    } rows[] = {
        {NATS "site: aws\nsites: [gcp, aws, azure=7]", "gcp:21777 aws:61678 azure:7"},
        {NATS "site: aws\nsite-id: 9\nsites: [aws=9, gcp]", "aws:9 gcp:21777"},
        {NATS "site: aws\nsite-id: 61678\nsites: [aws, gcp]", "aws:61678 gcp:21777"},
        {NATS "site: aws\nsites: [aws=61678]", "aws:61678"},
        {"site: aws\nsites: [aws]", "aws:1"},
        {"site: aws\nsites: [aws=1]", "aws:1"},
        {"site: aws\nsite-id: 5\nsites: [aws=5]", "aws:5"},
        {NATS "site: aws\nsites: [\"aws\", b=1, c=65535]", "aws:61678 b:1 c:65535"},
        {NATS "site: aws\nsites: []", ""},
        {NATS "site: aws", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].text);
        struct hr_manifest *m = parse_good(rows[i].text, NULL);
        assert_sites(m, rows[i].sites);
        hr_manifest_free(m);
    }
}

/* The variable takes the place of the file's list; empty, it takes it away. */
static void sites_are_those_of_the_variable(void **state)
{
    (void)state;
    static const char *const others[] = {"HEDGEROW_SITES= aws ,west=4", NULL};
    static const char *const none[] = {"HEDGEROW_SITES=", "HEDGEROW_NATS=", NULL};
    struct hr_manifest *m = parse_good(NATS "site: aws\nsites: [aws, gcp]", others);
    assert_sites(m, "aws:61678 west:4");
    hr_manifest_free(m);
    m = parse_good(NATS "site: aws\nsites: [aws, gcp]", none);
    assert_sites(m, "");
    hr_manifest_free(m);
}

struct bad {
    const char *text;
    const char *variable; /* or NULL */
    const char *problem;  /* all of the only one */
};

static void check_all(const struct bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *const environment[] = {rows[i].variable, NULL};
        struct hr_manifest *m = NULL;
        print_message("%s %s\n", rows[i].text, rows[i].variable ? rows[i].variable : "");
        assert_int_equal(parse(rows[i].text, environment, &m), HR_BAD_INPUT);
        assert_null(m);
        print_report();
        assert_int_equal(report.problem_count, 1);
        assert_string_equal(report.problems[0].text, rows[i].problem);
    }
    assert_int_equal(hr_alloc_live(), 0);
}

#define SITE_A NATS "site: a\n"
#define AT(column) "m.yaml:3:" column ": sites"
#define NOT_NAME " is not a name: 1 to 32 of the characters a-z, 0-9 and -"
#define NOT_ID " is not a whole number from 1 to 65535"

/* What is no list of sites, or names one of them wrongly. */
static void sites_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {SITE_A "sites: a", NULL, AT("1") ": must be a list (`[a, b]`), is a single value"},
        {SITE_A "sites: [a, [b]]", NULL, AT("12") "[2]: must be a single value, is a list"},
        {SITE_A "sites: [a, ~]", NULL, AT("12") "[2]: must be a single value, is empty"},
        {SITE_A "sites: [a, {b: 7}]", NULL, AT("12") "[2]: must be a single value, is a mapping"},
        {SITE_A "sites: [a, B]", NULL, AT("12") "[2]: `B`" NOT_NAME},
        {SITE_A "sites: [a, '=7']", NULL, AT("12") "[2]: ``" NOT_NAME},
        {SITE_A "sites: [a, 'b =7']", NULL, AT("12") "[2]: `b `" NOT_NAME},
        {SITE_A "sites: [a, b=]", NULL, AT("12") "[2]: ``" NOT_ID},
        {SITE_A "sites: [a, b=0]", NULL, AT("12") "[2]: `0`" NOT_ID},
        {SITE_A "sites: [a, b=65536]", NULL, AT("12") "[2]: `65536`" NOT_ID},
        {SITE_A "sites: [a, b=7=8]", NULL, AT("12") "[2]: `7=8`" NOT_ID},
        {SITE_A, "HEDGEROW_SITES=a,,b", "variable HEDGEROW_SITES: ``" NOT_NAME},
        {SITE_A, "HEDGEROW_SITES=a;b", "variable HEDGEROW_SITES: `a;b`" NOT_NAME},
        {SITE_A, "HEDGEROW_SITES=a,b=x", "variable HEDGEROW_SITES: `x`" NOT_ID},
        /* Told although the variable hides it. */
        {SITE_A "sites: [a, B]", "HEDGEROW_SITES=a", AT("12") "[2]: `B`" NOT_NAME},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* A list has at most 32 entries, however it is given. */
static void sites_are_bounded(void **state)
{
    (void)state;
    char text[1024] = SITE_A "sites: [a";
    char variable[1024] = "HEDGEROW_SITES=a";
    for (int i = 2; i <= 32; i++) {
        sprintf(text + strlen(text), ", s=%d", i);
        sprintf(variable + strlen(variable), ",s%d=%d", i, i);
    }
    const char *const good[] = {variable, NULL};
    struct hr_manifest *m = parse_good(SITE_A, good);
    assert_int_equal(m->site_count, HR_MANIFEST_SITES_MAX);
    hr_manifest_free(m);
    strcat(text, ", s=33]");
    strcat(variable, ",s33=33");
    const struct bad rows[] = {
        {text, NULL, AT("1") ": has 33 entries; the limit is 32"},
        {SITE_A, variable, "variable HEDGEROW_SITES: has more than 32 sites"},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* Two entries are two sites: no name and no number is there twice. */
static void sites_are_told_apart(void **state)
{
    (void)state;
#define SAME(name, number, other)                                                                 \
    "`" name "` has the number " number ", which `" other                                         \
    "` has already: give one of them another `site-id` in its manifest, and write it as name=id " \
    "in all of them"
    static const struct bad rows[] = {
        {SITE_A "sites: [b, a, b]", NULL, AT("15") "[3]: `b` is in the list twice"},
        {SITE_A "sites: [a, b=7, b=8]", NULL, AT("17") "[3]: `b` is in the list twice"},
        {SITE_A "sites: [a, b=7, c=7]", NULL, AT("17") "[3]: " SAME("c", "7", "b")},
        {SITE_A "sites: [a, s139, s257]", NULL, AT("18") "[3]: " SAME("s257", "9413", "s139")},
        {SITE_A "sites: [a, b=33226]", NULL, AT("12") "[2]: " SAME("b", "33226", "a")},
        {SITE_A, "HEDGEROW_SITES=a,b,b", "variable HEDGEROW_SITES: `b` is in the list twice"},
        {SITE_A, "HEDGEROW_SITES=a,b=7,c=7", "variable HEDGEROW_SITES: " SAME("c", "7", "b")},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* The list has this site too, with the number that it has. */
static void sites_have_this_one_among_them(void **state)
{
    (void)state;
#define NOT_THERE(name) ": this host's site, `" name "`, is not among them; "
#define ADD_IT "all sites of the lattice are named, this one too"
#define HAS_ID(id, entry)                     \
    "this site's `site-id` is " id ": write " \
    "`" entry "` in the manifests of all sites, or change the `site-id`"
#define HAS_NONE(number, id)                                                             \
    "this site has no `site-id`, and so its number is " number ": give it `site-id: " id \
    "`, or leave out the `=" id "`"
    static const struct bad rows[] = {
        {SITE_A "sites: [b, c]", NULL, AT("1") NOT_THERE("a") ADD_IT},
        {NATS "site: north\nsites: [east, norht]", NULL,
         AT("1") NOT_THERE("north") "did you mean it by `norht`?"},
        {SITE_A, "HEDGEROW_SITES=b", "variable HEDGEROW_SITES" NOT_THERE("a") ADD_IT},
        {NATS "site: a\nsite-id: 9\nsites: [a, b]", NULL,
         "m.yaml:4:9: sites[1]: " HAS_ID("9", "a=9")},
        {NATS "site: a\nsite-id: 9\nsites: [b, a=8]", NULL,
         "m.yaml:4:12: sites[2]: " HAS_ID("9", "a=9")},
        {SITE_A "sites: [a=8, b]", NULL, AT("9") "[1]: " HAS_NONE("33226", "8")},
        {"site: a\nsites: [a=8]", NULL, "m.yaml:2:9: sites[1]: " HAS_NONE("1", "8")},
        {SITE_A, "HEDGEROW_SITES=b,a=8", "variable HEDGEROW_SITES: " HAS_NONE("33226", "8")},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* Others could never be heard without NATS. */
static void sites_need_nats(void **state)
{
    (void)state;
#define UNHEARD ": names other sites, but `nats` is empty: none of them can be heard"
    static const struct bad rows[] = {
        {"site: a\nsites: [a, b]", NULL, "m.yaml:2:1: sites" UNHEARD},
        {"site: a", "HEDGEROW_SITES=b,a", "variable HEDGEROW_SITES" UNHEARD},
        {SITE_A "sites: [a, b]", "HEDGEROW_NATS=", AT("1") UNHEARD},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

/* Where the site or its servers are wrong themselves, the list is not held against them. */
static void sites_are_not_held_against_what_is_wrong(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"nats: [nats://h]\nsite: A\nsites: [a, b]", NULL, "m.yaml:2:1: site: `A`" NOT_NAME},
        {"nats: [nats://h]\nsite: a\nsite-id: 0\nsites: [a=7]", NULL,
         "m.yaml:3:1: site-id: `0`" NOT_ID},
        {"nats: [http://h]\nsite: a\nsites: [a, b]", NULL,
         "m.yaml:1:8: nats[1]: `http://h` is not a NATS server's URL, as in nats://10.0.0.1:4222"},
    };
    check_all(rows, sizeof rows / sizeof rows[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_have_numbers),
        cmocka_unit_test(sites_are_those_of_the_variable),
        cmocka_unit_test(sites_that_are_none_are_refused),
        cmocka_unit_test(sites_are_bounded),
        cmocka_unit_test(sites_are_told_apart),
        cmocka_unit_test(sites_have_this_one_among_them),
        cmocka_unit_test(sites_need_nats),
        cmocka_unit_test(sites_are_not_held_against_what_is_wrong),
    };
    return cmocka_run_group_tests_name("manifest_sites", tests, NULL, NULL);
}
