/* What the files of a state transfer share: one transfer in one tick, and its questions. */
#ifndef DKV_TRANSFER_IMPL_H
#define DKV_TRANSFER_IMPL_H

#include "actors/kv/core/format/keys.h"
#include "actors/kv/core/replicate/donor.h"
#include "actors/kv/core/transfer/state_wire.h"
#include "actors/kv/core/transfer/transfer.h"

/* What came of asking the donor. */
enum dkv_transfer_turn {
    DKV_TURN_ON,     /* it got further */
    DKV_TURN_WAIT,   /* not in this tick */
    DKV_TURN_SILENT, /* nothing came of the donor */
    DKV_TURN_ANEW,   /* with this donor, or as it was begun, it goes no further */
    DKV_TURN_YIELD,  /* the donor waits for this site */
};

/* A transfer in one tick. */
struct dkv_transfer {
    struct dkv_tick *tick;
    const struct dkv_holdings *holdings;
    struct dkv_donors donors;
    struct dkv_sync sync; /* its cursor lies in @cursor */
    char cursor[DKV_KEY_BYTES_MAX];
    struct hr_arena *arena; /* of the page under way */
};

/* Takes over @sync. Owns: copies its cursor. */
void dkv_transfer_keep(struct dkv_transfer *transfer, const struct dkv_sync *sync);
void dkv_transfer_tell(const struct dkv_transfer *transfer, enum dkv_log_level level,
                       const char *what, const char *why);
/* Asks @site. Owns: the answer lives in transfer->arena. Errors: the bus', HR_CORRUPT, HR_NO_MEMORY. */
HR_MUST_CHECK enum hr_err dkv_transfer_ask(const struct dkv_transfer *transfer, uint16_t site,
                                           const struct dkv_state_ask *ask,
                                           struct dkv_state *ret_state, struct hr_diag *diag);
/* Hands a message to the own lane. Owns: the answer lives in @arena. Errors: as above. */
HR_MUST_CHECK enum hr_err dkv_transfer_fill(const struct dkv_transfer *transfer,
                                            const struct dkv_fill *fill, struct hr_arena *arena,
                                            struct dkv_filled *ret_filled, struct hr_diag *diag);
/* Asks one after the other until one is the donor, and begins a session with it. */
enum dkv_transfer_turn dkv_transfer_find_donor(struct dkv_transfer *transfer);
/* Gets the next page: asks the donor, pulls what it shows and hands it to the lane. @diag: why it went no further. */
enum dkv_transfer_turn dkv_transfer_take_page(struct dkv_transfer *transfer, struct hr_diag *diag);

#endif
