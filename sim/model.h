/* What must be true of a world, from what can be seen of it: what clients are told, what sites tell each
 * other, and which keys change in the stores. It shares no code with the core, and reads every format by
 * itself. Each claim is a file, check_<claim>.c, with a struct of its own in here and the hooks that it needs;
 * model.c hands on what happens. A claim that fails is told to sim_trace_fail. One thread. */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "sim/known.h"
#include "sim/op.h"

/* check_versions.c: at one site a key's version never goes back. */
struct sim_versions {
    struct sim_version version[SIM_SITES_MAX][SIM_KEYS_MAX];
    sim_us known_at[SIM_SITES_MAX][SIM_KEYS_MAX];
    sim_us lost_at[SIM_SITES_MAX];
};

/* check_session.c: the newest version of each key that a client with a token was told. */
struct sim_sessions {
    struct sim_version told[SIM_CLIENTS_MAX][SIM_KEYS_MAX];
};

/* check_join.c: what m/self of a site says. */
struct sim_join {
    uint64_t origin;
    uint32_t state;
    sim_us booted_at; /* as that origin, or so restored */
    sim_us since;     /* in that state */
    bool is_new;      /* its store was empty since it last served */
    bool first;       /* it is the first origin of its store */
};

/* check_boot.c: what m/self of a site says. */
struct sim_boot {
    uint64_t origin;
    uint32_t state;
    uint32_t found; /* by the boot: everything, nothing, or maybe not all */
};

/* check_clock.c: what m/ctr of a site says. */
struct sim_counter {
    uint64_t origin;
    uint64_t hlc;
    uint64_t seq;
};

/* check_transfer.c: what m/sync of a site says. */
struct sim_transfer {
    uint64_t session;
    uint64_t donor;   /* id of the site; 0: there is none */
    bool filled;      /* by a donor, or it has begun to be */
    sim_us since;     /* that is so */
    uint64_t touched; /* bits of keys whose records are to be looked at after the commit */
};

/* What a site's m/S says. */
struct sim_marks {
    uint64_t floor;     /* of the group */
    uint64_t low;       /* what it says of itself */
    uint64_t pending;   /* what it will say */
    uint64_t collected; /* the highest while it was alone, of whatever store it had */
    bool emptied;       /* its store was emptied, or put back */
    sim_us emptied_at;
    uint64_t retired
        [SIM_SITES_MAX]; /* of each site: the incarnation up to which its changes are gathered up */
};

/* What a site's h/ says of another one: the incarnation that was heard of, and the one up to which it is out. */
struct sim_fence {
    uint64_t heard;
    uint64_t removed;
};

/* Where records were forged, and have not been seen sound again since. */
struct sim_forgeries {
    bool now[SIM_SITES_MAX][SIM_KEYS_MAX];
    bool ever[SIM_KEYS_MAX];
    bool open[SIM_KEYS_MAX]; /* a change of it that was given up was found again (found.c) */
    uint32_t undecided[SIM_KEYS_MAX]; /* bits of sites that have said since that they are */
    bool any;                         /* ever */
};

/* What a site held when a copy was made of its store. */
struct sim_saved {
    uint8_t *changes; /* of each change: 1: held, 2: as a change; owned */
    size_t count;
};

struct sim_model {
    struct sim_join joins[SIM_SITES_MAX];
    struct sim_boot boots[SIM_SITES_MAX];
    struct sim_counter counters[SIM_SITES_MAX];
    struct sim_transfer transfers[SIM_SITES_MAX];
    struct sim_saved saved[SIM_SITES_MAX];
    struct sim_forgeries forgeries;
    uint32_t removals; /* of sites, by operators */
    uint64_t removed
        [SIM_SITES_MAX]; /* the incarnation up to which a site is out, as anybody has noted */
    struct sim_marks marks[SIM_SITES_MAX];
    uint64_t collected[SIM_SITES_MAX]; /* bits of keys whose records a commit takes away */
    struct sim_sessions sessions;
    struct sim_knowledge knowledge;
    struct sim_versions versions;
    const struct sim_call *committer;
    uint64_t bytes_max; /* of a store */
};

struct sim_model *sim_model_new(void);
void sim_model_free(struct sim_model *model);

/* --- what happens ------------------------------------------------------------------------------------- */

/* What changes until the commit is done is @call's. */
void sim_model_committer(struct sim_world *world, const struct sim_call *call);
/* A commit is done, whoever's. */
void sim_model_committed(struct sim_world *world);
/* A key of @site's store has changed. */
void sim_model_changed(struct sim_world *world, struct sim_site *site, enum sim_change why,
                       struct hr_str key, const struct sim_item *now);
/* A copy is made of @site's store, and takes its place again. */
void sim_model_saved(struct sim_world *world, uint32_t site);
void sim_model_restored(struct sim_world *world, uint32_t site);
/* @site's store is about to be emptied, or put back. */
void sim_model_empties(struct sim_world *world, uint32_t site);
/* The core hands @letter to the bus. */
void sim_model_published(struct sim_world *world, const struct sim_call *call,
                         const struct sim_letter *letter);
/* A host of @site logs @line. */
void sim_model_logged(struct sim_world *world, uint32_t site, struct hr_str line);
/* The client of @op has got a good reply from its attempt number @attempt. */
void sim_model_told(struct sim_world *world, struct sim_op *op, uint32_t attempt,
                    struct hr_str reply);

/* --- the end ------------------------------------------------------------------------------------------ */

/* Whether every change that is left is at every site. ret_missing: one that is not (to be said). */
bool sim_model_settled(const struct sim_world *world, uint32_t *ret_missing, uint32_t *ret_site);
/* Whether what @marks says has the origin among those that are gathered up. */
bool sim_model_retired(const struct sim_marks *marks, uint64_t origin);
/* The number of the key whose record has @name; SIM_KEYS_MAX: it is none. */
uint32_t sim_record_key(struct hr_str name);
/* forged.c: the record of @key, if it is one, need not be what its changes amount to at @site, until it is seen to be so again. */
void sim_forged(struct sim_world *world, uint32_t site, uint32_t key);
/* A site says that it cannot decide about a record. @line: of its log. */
void sim_forged_said(struct sim_world *world, uint32_t site, struct hr_str line);
/* Whether the record under @name is forged at any site. */
bool sim_forged_somewhere(const struct sim_world *world, struct hr_str name);
/* Whether both of two sites say that they cannot decide about @key, and have gathered up all origins that made changes of it, so that neither
 * knows any more what those did not do. */
bool sim_forged_undecidable(const struct sim_world *world, uint32_t key);
/* A record that was forged and is so still, though it can be known what is right; or where there are two truths, one that is not what another site's
 * is, unless there are two sites only, which cannot decide. False: there is none. */
bool sim_forged_is_left(const struct sim_world *world, uint32_t *ret_site, uint32_t *ret_key);
/* found.c: the feed of @site has @now where it was known to be @known. Whether that is so because what was given up was found again; if so, @known is
 * that again, for everybody who has anything there. */
bool sim_found(struct sim_world *world, const struct sim_site *site, enum sim_change why,
               struct sim_known *known, const struct sim_known *now);
/* What the store of @site says of the site @other; all 0: nothing. */
struct sim_fence sim_model_fence(const struct sim_site *site, uint32_t other);
/* How many sites the group of @site has, as far as it knows. */
uint32_t sim_model_members(const struct sim_site *site);
/* Whether the group of @site has all sites, as far as it knows. */
bool sim_model_knows_all(const struct sim_world *world, const struct sim_site *site);
/* Whether a transfer to @site is wanted or under way. */
bool sim_model_is_filled(const struct sim_site *site);
/* Whether the store of @site is to be deleted, because it was taken out since that began. */
bool sim_model_is_to_go(const struct sim_world *world, uint32_t site);
/* A site whose store is to be deleted, because it was taken out since the store began. False: there is none. */
bool sim_model_to_wipe(const struct sim_world *world, uint32_t *ret_site);
/* After healing and settling: acknowledged writes are there, refused ones are not. */
void sim_model_check_end(struct sim_world *world);

/* --- the claims --------------------------------------------------------------------------------------- */

/* check_sequence.c: a number is one change's for ever; a site's own numbers and clocks grow without a gap. */
void sim_check_sequence_new(struct sim_world *world, const struct sim_site *site,
                            const struct sim_known *known);
void sim_check_sequence_again(struct sim_world *world, const struct sim_site *site,
                              const struct sim_known *before, const struct sim_known *now);
/* Whether what the change's own site has of it counts for nothing: it was taken out, and is to delete its store. */
bool sim_model_is_out(const struct sim_world *world, const struct sim_known *known);
/* Bits of the sites whose having it counts: not its own, if that was taken out since, nor those that are to delete their stores. */
uint32_t sim_model_holders(const struct sim_world *world, const struct sim_known *known);
/* check_order.c: a new change is later than all that its site has. */
void sim_check_order(struct sim_world *world, const struct sim_site *site,
                     const struct sim_known *known);
/* check_twice.c: a request is done once, as far as anybody can know. */
void sim_check_twice(struct sim_world *world, const struct sim_site *site,
                     const struct sim_known *known);
/* check_acks.c: what is said to be held is held, and what is acknowledged stays. */
void sim_check_acks_published(struct sim_world *world, const struct sim_call *call,
                              const struct sim_letter *letter);
void sim_check_acks_told(struct sim_world *world, struct sim_op *op, uint32_t attempt,
                         struct hr_str reply);
void sim_check_acks_lost(struct sim_world *world, const struct sim_known *known);
void sim_check_acks_end(struct sim_world *world);
/* check_floor.c: what floors are made of is true. @before: m/S as it was. */
void sim_check_floor(struct sim_world *world, uint32_t site, enum sim_change why,
                     const struct sim_marks *before);
void sim_check_floor_new(struct sim_world *world, const struct sim_site *site,
                         const struct sim_known *known);
/* check_refused.c: what nobody did is nowhere. */
void sim_check_refused_end(struct sim_world *world);
/* check_join.c: who serves has what was acknowledged; who catches up does not serve. @now: m/self. */
void sim_check_join_self(struct sim_world *world, const struct sim_site *site, enum sim_change why,
                         const struct sim_item *now);
void sim_check_join_published(struct sim_world *world, const struct sim_call *call,
                              const struct sim_letter *letter);
/* check_boot.c: who may have lost something does not call itself intact. @now: m/self. */
void sim_check_boot(struct sim_world *world, const struct sim_site *site, enum sim_change why,
                    const struct sim_item *now);
/* check_seal.c: what is sealed has ended. @now: v/ of the origin. */
void sim_check_seal(struct sim_world *world, const struct sim_site *site, enum sim_change why,
                    struct sim_origin *row, const struct sim_item *now);
void sim_check_seal_held(struct sim_world *world, const struct sim_site *site,
                         const struct sim_known *known);
/* check_lost.c: what follows "@name=" in a line of a log, up to a space; empty if it is not there. */
struct hr_str sim_line_member(struct hr_str line, const char *name);
/* What is told to be lost is lost. @line: of @site's log. */
void sim_check_lost_told(struct sim_world *world, uint32_t site, struct hr_str line);
/* A host of @site need not remember any more that a commit that put @keys is lost. */
void sim_check_lost_forgotten(struct sim_world *world, uint32_t site, const struct hr_str *keys,
                              size_t count);
/* check_transfer.c: who fills whom, and with what. @now: m/sync. */
void sim_check_transfer_sync(struct sim_world *world, const struct sim_site *site,
                             enum sim_change why, const struct sim_item *now);
void sim_check_transfer_published(struct sim_world *world, const struct sim_call *call,
                                  const struct sim_letter *letter);
/* The record of @key has changed; and then the whole commit is done. */
void sim_check_transfer_record(struct sim_world *world, const struct sim_site *site, uint32_t key);
void sim_check_transfer_committed(struct sim_world *world);
/* check_collect.c: what a deletion has left goes when all have it. The record of @key has changed, to @now; and then the
 * whole commit is done. */
void sim_check_collect_record(struct sim_world *world, const struct sim_site *site, uint32_t key,
                              const struct sim_item *now);
void sim_check_collect_committed(struct sim_world *world);
/* check_index.c: the index of @site's store names what is there. */
void sim_check_index(struct sim_world *world, const struct sim_site *site);
/* check_clock.c: no clock is carried away by a message, and none goes back. @now: m/ctr. */
void sim_check_clock(struct sim_world *world, struct sim_site *site, enum sim_change why,
                     const struct sim_item *now);
/* check_versions.c */
void sim_check_versions_told(struct sim_world *world, const struct sim_op *op, uint32_t attempt,
                             struct hr_str reply);
/* check_session.c: who sends a token reads what it has written or read before. */
void sim_check_session_told(struct sim_world *world, const struct sim_op *op, struct hr_str reply);
/* The reply is that there is no such value. */
void sim_check_session_absent(struct sim_world *world, const struct sim_op *op);
/* check_values.c: what is read was once written, and there. */
void sim_check_values_told(struct sim_world *world, const struct sim_op *op, struct hr_str reply);
/* check_agreement.c: a listing of everything at @site shows what all changes that it has amount to. */
void sim_check_agreement(struct sim_world *world, uint32_t site, struct hr_str reply);
/* How many values @site shows, by the changes that it has. */
uint32_t sim_check_agreement_count(const struct sim_world *world, uint32_t site);
/* In a long calm: every store holds the visible values and nothing else, the same at all sites. NULL: so it is; else what
 * is not so. */
const char *sim_check_litter(struct sim_world *world, uint32_t *ret_site, uint32_t *ret_key);
/* Whether its record of the key is the first site's, byte by byte. */
bool sim_check_same(const struct sim_world *world, uint32_t site, uint32_t key);
/* The latest clock in a site's record of the key; 0: it has none. */
uint64_t sim_check_litter_stamp(const struct sim_world *world, uint32_t site, uint32_t key);
/* check_count.c: a deletion of everything says how many values there were. */
void sim_check_count_told(struct sim_world *world, const struct sim_op *op, struct hr_str reply);
/* check_traffic.c: when nothing is wrong, @letters changes were sent for @writes writes. */
void sim_check_traffic(struct sim_world *world, uint64_t writes, uint64_t letters);
/* check_memory.c: a store holds no more than its changes, records and results can need. */
void sim_check_memory(struct sim_world *world);

#endif
