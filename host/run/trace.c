/* Trace contexts. Identifiers are drawn from one counter of the process, mixed with random bits of its
 * start: unique in this process, and as good as random between processes. */
#include "host/run/trace.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <sodium.h>

static _Atomic uint64_t counter;
static _Atomic uint64_t salt;

/* The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators",
 * 2014): a bijection, so that different counts give different identifiers. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t process_salt(void)
{
    uint64_t known = atomic_load_explicit(&salt, memory_order_relaxed);
    uint64_t drawn = 0;
    while (known == 0) {
        randombytes_buf(&drawn, sizeof drawn);
        if (drawn != 0 && atomic_compare_exchange_strong(&salt, &known, drawn)) {
            known = drawn;
        }
    }
    return known;
}

/* Never 0, which no identifier may be (section 3.2.2). */
static uint64_t draw(uint64_t known_salt)
{
    uint64_t id = 0;
    while (id == 0) {
        id = mix(atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed) + known_salt);
    }
    return id;
}

static bool is_hex(struct hr_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

static bool is_id(struct hr_str text)
{
    size_t zeros = 0;
    while (zeros < text.len && text.ptr[zeros] == '0') {
        zeros++;
    }
    return is_hex(text) && zeros < text.len;
}

bool hr_trace_is_valid(struct hr_str text)
{
    /* A later version may have more behind a further dash; it is read as this one (section 4.3). */
    bool long_enough = text.len == HR_TRACE_BYTES ||
                       (text.len > HR_TRACE_BYTES && text.ptr[HR_TRACE_BYTES] == '-' &&
                        memcmp(text.ptr, "00", 2) != 0);
    return long_enough && text.ptr[2] == '-' && text.ptr[35] == '-' && text.ptr[52] == '-' &&
           is_hex(hr_str_of(text.ptr, 2)) && memcmp(text.ptr, "ff", 2) != 0 &&
           is_id(hr_str_of(text.ptr + 3, HR_TRACE_ID_BYTES)) &&
           is_id(hr_str_of(text.ptr + 36, 16)) && is_hex(hr_str_of(text.ptr + 53, 2));
}

static void write_hex(char ret_digits[16], uint64_t value)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--) {
        ret_digits[i] = digits[value & 15];
        value >>= 4;
    }
}

void hr_trace_begin(struct hr_trace *trace, struct hr_str parent)
{
    static const char blank[] = "00-00000000000000000000000000000000-0000000000000000-00";
    uint64_t known_salt = process_salt();
    memcpy(trace->text, blank, sizeof blank);
    if (hr_trace_is_valid(parent)) {
        memcpy(trace->text + 3, parent.ptr + 3, HR_TRACE_ID_BYTES);
        memcpy(trace->text + 53, parent.ptr + 53, 2);
    } else {
        write_hex(trace->text + 3, mix(~known_salt));
        write_hex(trace->text + 19, draw(known_salt));
    }
    write_hex(trace->text + 36, draw(known_salt));
}

struct hr_str hr_trace_str(const struct hr_trace *trace)
{
    return hr_str_of(trace->text, hr_trace_is_set(trace) ? HR_TRACE_BYTES : 0);
}

struct hr_str hr_trace_id(const struct hr_trace *trace)
{
    return hr_str_of(trace->text + 3, hr_trace_is_set(trace) ? HR_TRACE_ID_BYTES : 0);
}
