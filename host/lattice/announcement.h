/* What a host says of itself, as one JSON object (RFC 8259), so that any NATS client can read along:
 *
 *   {"v": 1, "host": "h1", "boot": "<16 hexadecimal digits>", "started": <wall clock, ms>,
 *    "site": "aws", "site_id": 3, "store": "<32 hexadecimal digits>", "version": "0.1.0",
 *    "load": 0, "hosts": 5, "leaving": false, "catching_up": false,
 *    "serves": [{"subject": "wasmkv.get.>", "queue": "kv", "direct": true}, ...]}
 *
 * `hosts` is how many are alive as far as it knows, itself included. Members that are not known are passed
 * over; another `v` is another format. What comes from outside is checked once, here, into a struct whose
 * strings are its own. Never changed after it is made; any thread that holds a reference.
 */
#ifndef HR_LATTICE_ANNOUNCEMENT_H
#define HR_LATTICE_ANNOUNCEMENT_H

#include <stdatomic.h>

#include "host/lattice/lattice.h"

#define HR_LATTICE_ANNOUNCEMENT_BYTES_MAX (256u << 10)

struct hr_lattice_served {
    struct hr_str subject;
    struct hr_str queue; /* empty = none */
    bool direct;
};

struct hr_lattice_announcement {
    _Atomic uint32_t refs;
    struct hr_str host;
    uint64_t boot;
    uint64_t started_ms;
    struct hr_str site;
    uint16_t site_id;
    unsigned char store_id[HR_LATTICE_STORE_ID_BYTES];
    struct hr_str version;
    uint32_t load;
    uint32_t hosts;
    bool leaving;
    bool catching_up;
    uint32_t served_count;
    struct hr_lattice_served served[]; /* then the bytes of all strings */
};

/* Appends @said as JSON. Errors: HR_TOO_BIG (the limit of @buf), HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err hr_lattice_announcement_encode(
    struct hr_buf *buf, const struct hr_lattice_announcement *said);
/* Errors: HR_BAD_INPUT (not such a JSON object, or a value that no host of ours would give), HR_TOO_BIG,
 * HR_NO_MEMORY. Returns own: hr_lattice_announcement_unref. */
HR_MUST_CHECK enum hr_err hr_lattice_announcement_decode(struct hr_str body,
                                                         struct hr_lattice_announcement **ret_said);
/* A copy of @said that lists the @count subjects of @served. NULL when memory is out. */
struct hr_lattice_announcement *hr_lattice_announcement_new(
    const struct hr_lattice_announcement *said, const struct hr_lattice_served *served,
    uint32_t count);
void hr_lattice_announcement_ref(struct hr_lattice_announcement *said);
/* Accepts NULL. */
void hr_lattice_announcement_unref(struct hr_lattice_announcement *said);

/* Whether both list the same subjects in the same order. */
bool hr_lattice_announcement_same_served(const struct hr_lattice_announcement *a,
                                         const struct hr_lattice_announcement *b);
/* What is wrong with who a host says it is, or NULL. */
const char *hr_lattice_announcement_check(const struct hr_lattice_announcement *said);
/* Whether @text is 1 to HR_LATTICE_NAME_BYTES_MAX letters, digits, - and _. */
bool hr_lattice_is_name(struct hr_str text);
/* Appends @text (UTF-8) as a JSON string. */
HR_MUST_CHECK enum hr_err hr_lattice_append_json(struct hr_buf *buf, struct hr_str text);
/* Appends @bytes as a JSON string of hexadecimal digits. */
HR_MUST_CHECK enum hr_err hr_lattice_append_hex(struct hr_buf *buf, const unsigned char *bytes,
                                                size_t len);
/* Appends the list of what @said serves, as above. */
HR_MUST_CHECK enum hr_err hr_lattice_append_served(struct hr_buf *buf,
                                                   const struct hr_lattice_announcement *said);

#endif
