/*
 * stream/router.h
 *	  A stream's change sets divided among readers: a thread takes them from the queue and puts each table's rows
 *	  where its reader takes them, whole change sets at a time. A change set is confirmed when nobody has rows of it
 *	  that are not acknowledged, and of no earlier one.
 *
 * With the buffer on, a reader whose bound is reached has the rest wait on disk, and the others go on.
 *
 * One lock for all of it: what is done under it is moving pointers.
 */
#ifndef WALROW_STREAM_ROUTER_H
#define WALROW_STREAM_ROUTER_H

#include "columns/batch.h"
#include "stream/signal.h"
#include "stream/spill.h"

#include <pthread.h>

/* A schema that a reader's rows had; kept as long as the reader, because callers borrow it. */
typedef struct walrow__shape {
    struct ArrowSchema schema;
    uint64_t epoch;
    uint32_t relid;
    struct walrow__shape *next;
} walrow__shape;

/* A change set that was handed out, until it is confirmed. */
typedef struct walrow__handed {
    uint64_t number;
    uint64_t end_lsn;
    size_t pending; /* items not acknowledged */
    struct walrow__handed *next;
} walrow__handed;

/* A reader's rows of a change set: waiting to be taken, then, without the array, to be acknowledged. */
typedef struct walrow__item {
    const walrow__shape *shape;
    struct ArrowArray array;
    walrow__spilled place; /* where the array is instead, if it has a size */
    walrow__position last;
    bool snapshot;
    size_t bytes; /* of memory */
    walrow__handed *of;
    struct walrow__item *next;
} walrow__item;

typedef struct walrow__items {
    walrow__item *first, *last;
} walrow__items;

typedef struct walrow__router {
    pthread_mutex_t lock;  /* of all this, and of the readers */
    int references;        /* the stream's and each reader's */
    walrow_stream *stream; /* NULL: it was closed */
    pthread_t thread;
    bool started;
    pthread_cond_t room;               /* a reader took something, or was closed */
    struct walrow_reader *readers;     /* also closed ones, so that they are known to be */
    bool takes_all;                    /* tables without a reader get one */
    struct walrow_reader *new_readers; /* nobody has them yet; first come, first */
    pthread_cond_t appeared;
    walrow__signal appeared_signal;
    walrow__handed *first_handed, *last_handed;
    uint64_t handed;              /* so many */
    char *spill_directory;        /* rows past a reader's bound go there; NULL: the stream waits */
    int64_t spilled, max_spilled; /* bytes that wait there */
    bool closing;
    bool ended;
    walrow_error end; /* why */
} walrow__router;

typedef enum walrow__reader_kind {
    WALROW__READER_OF_TABLE,
    WALROW__READER_OF_EVENTS,
    WALROW__READER_MERGED
} walrow__reader_kind;

struct walrow_reader {
    walrow__reader_kind kind;
    walrow__router *router; /* a reference */
    int references;         /* the caller's, the arrow streams', the router's */
    bool closed;
    char *schema_name, *table_name; /* "": not of a table */
    int64_t bytes, max_bytes;       /* waiting */
    walrow__items waiting, taken;
    walrow__spill *spill;          /* NULL: nothing was ever past its bound */
    walrow__shape *shapes;         /* the last one first */
    const struct ArrowSchema *had; /* of the rows taken last */
    pthread_cond_t arrived;
    walrow__signal signal;
    walrow_rows held;           /* taken, and not handed to the caller yet; array.release is NULL: none */
    bool reading;               /* others are, without the lock: likewise */
    uint64_t held_from;         /* number of their change set */
    struct walrow_reader *into; /* merged into that one */
    struct walrow_reader **members;
    size_t n_members;
    walrow_error failure; /* a merged reader cannot go on */
    struct walrow__event_rows *events;
    struct walrow__merged *merged;
    struct walrow_reader *next, *next_new;
};

/** The stream's, made with the first call. */
walrow_code walrow__router_of(walrow_stream *stream, walrow__router **out,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Begin to hand out; again and again is fine. */
walrow_code walrow__router_start(walrow__router *router, walrow_error *err) WALROW_MUST_CHECK;
/** The stream is closed: readers have what they have, then an end. */
void walrow__router_stop(walrow__router *router);
void walrow__router_unref(walrow__router *router);

/** A reader that is in the router's list; the caller holds the lock. */
walrow_code walrow__reader_new(walrow__router *router, walrow__reader_kind kind, const char *schema_name,
                               const char *table_name, int64_t max_bytes, struct walrow_reader **out,
                               walrow_error *err) WALROW_MUST_CHECK;
void walrow__reader_ref(struct walrow_reader *reader);
void walrow__reader_unref(struct walrow_reader *reader);
/** The next rows are held, however long it takes, for whoever must see them before they are taken. */
walrow_code walrow__reader_hold(struct walrow_reader *reader, walrow_error *err) WALROW_MUST_CHECK;
/* The rest with the lock held. */
struct walrow_reader *walrow__router_find(const walrow__router *router, const char *schema_name,
                                          const char *table_name);
void walrow__router_unlink(walrow__router *router, struct walrow_reader *reader);
/** What nobody holds back any more is confirmed. */
void walrow__router_confirm(walrow__router *router);
void walrow__items_add(walrow__items *items, walrow__item *item);
/** The first waiting item becomes the last taken one. Its array is the caller's, or its place if that has a size. */
walrow__item *walrow__reader_pop(struct walrow_reader *reader, walrow__spilled *place);
/** There is something for it, or an end: wake who reads it. */
void walrow__reader_announce(struct walrow_reader *reader);
/** For what takes time: while its rows of that change set are read or made, nobody can acknowledge them. */
void walrow__reader_unlock(struct walrow_reader *reader, uint64_t number);
void walrow__reader_lock(struct walrow_reader *reader);
/** Forget items, which hold nothing back any more. */
void walrow__items_drop(walrow__items *items);
void walrow__items_drop_first(walrow__items *items);
bool walrow__reader_has_rows(const struct walrow_reader *reader);
/** Its descriptor is readable if it should be. */
void walrow__reader_show(struct walrow_reader *reader);

#endif
