/* The decoder and the table. */
#include "sim/known.h"

#include "base/alloc.h"
#include "sim/memory.h"

uint64_t sim_known_hex(const char *ptr, size_t digits)
{
    uint64_t number = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = ptr[i];
        uint64_t digit = (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        number = number << 4 | (digit & 15);
    }
    return number;
}

uint64_t sim_known_be(const char *ptr, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++) {
        number = number << 8 | (unsigned char)ptr[i];
    }
    return number;
}

bool sim_version_read(struct hr_str value, struct sim_version *ret_version)
{
    if (value.len != 34 || value.ptr[0] != '"') {
        return false;
    }
    *ret_version =
        (struct sim_version){sim_known_hex(value.ptr + 1, 16), sim_known_hex(value.ptr + 17, 16)};
    return true;
}

void sim_knowledge_release(struct sim_knowledge *knowledge)
{
    hr_free(knowledge->changes);
    hr_free(knowledge->table);
    hr_free(knowledge->origins);
    *knowledge = (struct sim_knowledge){0};
}

/* --- decoding ----------------------------------------------------------------------------------------- */

struct reader {
    const char *ptr;
    size_t left;
    bool bad;
};

static const char *take(struct reader *in, uint64_t bytes)
{
    if (bytes > in->left) {
        in->bad = true;
        return NULL;
    }
    const char *ptr = in->ptr;
    in->ptr += bytes;
    in->left -= bytes;
    return ptr;
}

static uint64_t number(struct reader *in, size_t bytes)
{
    const char *ptr = take(in, bytes);
    return ptr ? sim_known_be(ptr, bytes) : 0;
}

static void read_field(struct reader *in, struct sim_known *known)
{
    uint64_t name_len = number(in, 1);
    const char *name = take(in, name_len);
    uint64_t type = number(in, 1);
    uint64_t len = number(in, 4);
    const char *value = take(in, len);
    uint64_t op;
    if (in->bad) {
        return;
    }
    if (name_len == 0) {
        known->marks = true;
        return;
    }
    /* Our clients' fields are f0, f1, ... */
    uint32_t bit =
        name_len == 2 && name[0] == 'f' ? (uint32_t)1 << ((unsigned)(name[1] - '0') & 31) : 0;
    in->bad = bit == 0 || bit >= (uint32_t)1 << SIM_FIELDS;
    if (type == 1) {
        known->removes |= bit;
    } else if (hr_str_to_u64(hr_str_of(value, len), &op)) {
        known->sets |= bit;
        known->op = (uint32_t)op;
    } else {
        in->bad = true;
    }
}

bool sim_known_is_about(const struct sim_known *change, uint32_t key)
{
    return change->kind == SIM_KNOWN_CLEAR ||
           (change->kind != SIM_KNOWN_NOOP && change->key == key);
}

bool sim_known_decode(struct hr_str bytes, struct sim_known *ret_known)
{
    struct reader in = {bytes.ptr, bytes.len, false};
    struct sim_known known = {0};
    uint64_t version = number(&in, 1);
    known.kind = (enum sim_known_kind)number(&in, 1);
    known.origin = number(&in, 8);
    known.seq = number(&in, 8);
    known.hlc = number(&in, 8);
    take(&in, 16); /* the opid */
    if (version == 2) {
        take(&in, 16 + 1 + 8);
    }
    uint64_t key_len = number(&in, 2);
    const char *key = take(&in, key_len);
    uint64_t index = 0;
    /* Our clients' keys are k0, k1, ... */
    bool named = key && key_len > 1 && hr_str_to_u64(hr_str_of(key + 1, key_len - 1), &index);
    uint64_t fields = number(&in, 2);
    known.key = (uint32_t)index;
    for (uint64_t i = 0; i < fields && !in.bad; i++) {
        read_field(&in, &known);
    }
    known.digest = 0xCBF29CE484222325u;
    for (size_t i = 0; i < bytes.len; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes.ptr + i, bytes.len - i < 8 ? bytes.len - i : 8);
        known.digest = (known.digest ^ word) * 0x100000001B3u;
        known.digest ^= known.digest >> 31;
    }
    *ret_known = known;
    bool keyed = known.kind == SIM_KNOWN_SET || known.kind == SIM_KNOWN_DEL;
    return !in.bad && in.left == 4 && (!keyed || (named && index < SIM_KEYS_MAX));
}

/* --- the table ---------------------------------------------------------------------------------------- */

static size_t place_of(const struct sim_knowledge *knowledge, uint64_t origin, uint64_t seq)
{
    uint64_t hash = (origin * 0x9E3779B97F4A7C15u) ^ (seq * 0xD1342543DE82EF95u);
    size_t at = (size_t)(hash ^ hash >> 32) & (knowledge->table_cap - 1);
    while (knowledge->table[at] > 0) {
        const struct sim_known *known = &knowledge->changes[knowledge->table[at] - 1];
        if (known->origin == origin && known->seq == seq) {
            break;
        }
        at = (at + 1) & (knowledge->table_cap - 1);
    }
    return at;
}

uint32_t sim_known_find(const struct sim_knowledge *knowledge, uint64_t origin, uint64_t seq)
{
    if (knowledge->table_cap == 0) {
        return SIM_NOWHERE;
    }
    return knowledge->table[place_of(knowledge, origin, seq)] - 1; /* 0 - 1: nowhere */
}

static void grow_table(struct sim_knowledge *knowledge)
{
    hr_free(knowledge->table);
    knowledge->table_cap = knowledge->table_cap ? knowledge->table_cap * 2 : 256;
    knowledge->table = sim_alloc(knowledge->table_cap * sizeof *knowledge->table);
    for (size_t i = 0; i < knowledge->count; i++) {
        const struct sim_known *known = &knowledge->changes[i];
        knowledge->table[place_of(knowledge, known->origin, known->seq)] = (uint32_t)i + 1;
    }
}

uint32_t sim_known_add(struct sim_knowledge *knowledge, const struct sim_known *known)
{
    if ((knowledge->count + 1) * 2 > knowledge->table_cap) {
        grow_table(knowledge);
    }
    knowledge->changes =
        sim_grow(knowledge->changes, knowledge->count, &knowledge->cap, sizeof *knowledge->changes);
    knowledge->changes[knowledge->count] = *known;
    knowledge->table[place_of(knowledge, known->origin, known->seq)] =
        (uint32_t)knowledge->count + 1;
    return (uint32_t)knowledge->count++;
}

struct sim_origin *sim_known_origin(struct sim_knowledge *knowledge, uint64_t origin)
{
    for (size_t i = 0; i < knowledge->origin_count; i++) {
        if (knowledge->origins[i].origin == origin) {
            return &knowledge->origins[i];
        }
    }
    knowledge->origins = sim_grow(knowledge->origins, knowledge->origin_count,
                                  &knowledge->origin_cap, sizeof *knowledge->origins);
    struct sim_origin *row = &knowledge->origins[knowledge->origin_count++];
    *row = (struct sim_origin){.origin = origin};
    return row;
}

bool sim_known_counted(const struct sim_knowledge *knowledge, uint64_t origin)
{
    for (size_t i = 0; i < knowledge->origin_count; i++) {
        const struct sim_origin *row = &knowledge->origins[i];
        if (row->origin == origin && row->counted) {
            uint64_t any = 0;
            for (uint32_t site = 0; site < SIM_SITES_MAX; site++) {
                any |= row->prefix[site];
            }
            return any != 0;
        }
    }
    return true;
}

uint32_t sim_known_stamped(const struct sim_knowledge *knowledge, struct sim_version stamp)
{
    for (size_t i = knowledge->count; i > 0; i--) {
        const struct sim_known *known = &knowledge->changes[i - 1];
        /* A NOOP has the clock of the change before it. */
        bool may_be_told = known->kind != SIM_KNOWN_NOOP;
        if (may_be_told && known->hlc == stamp.hlc && known->origin == stamp.origin) {
            return (uint32_t)i - 1;
        }
    }
    return SIM_NOWHERE;
}

void sim_known_hold(struct sim_knowledge *knowledge, uint32_t index, uint32_t site)
{
    struct sim_known *known = &knowledge->changes[index];
    struct sim_latest *latest = &knowledge->latest[site];
    known->held |= (uint32_t)1 << site;
    known->ever |= (uint32_t)1 << site;
    latest->hlc = known->hlc > latest->hlc ? known->hlc : latest->hlc;
}

uint64_t sim_known_latest(struct sim_knowledge *knowledge, uint32_t site)
{
    struct sim_latest *latest = &knowledge->latest[site];
    if (latest->stale) {
        *latest = (struct sim_latest){0};
        for (size_t i = 0; i < knowledge->count; i++) {
            const struct sim_known *known = &knowledge->changes[i];
            bool later = known->hlc > latest->hlc && (known->held >> site & 1);
            latest->hlc = later ? known->hlc : latest->hlc;
        }
    }
    return latest->hlc;
}
