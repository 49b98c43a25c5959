#include "source/pull.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/tuning.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    REREAD_FACTOR = 4, /* a window is so many times as large as what its call reads again */
    REST_FACTOR = 4,   /* after a smaller one so many times as long as it took */
    SHORTEST_REST_MS = 50,
    LONGEST_REST_MS = 5000,
    MESSAGES_TO_JUDGE = 1000,
    MESSAGES_BETWEEN = 1000, /* two looks at what the other connection does, at most */
    LARGE_MESSAGE = 1024     /* bytes, of a row: from there on pushing is as fast (bench/RESULTS.md) */
};

/* The most is for the sake of the server's temporary files, through which a function's result goes; a procedure's
 * does not, and takes seconds for this. */
#define LEAST_WINDOW (UINT64_C(128) << 20)
#define MOST_WINDOW (UINT64_C(1) << 30)

/* Between pages there is no record, so that a window begins with what the one before it ended before. */
#define PAGE_SIZE UINT64_C(8192)

static walrow__pull_window *
current(walrow__pull *pull)
{
    return &pull->windows[pull->turn];
}

static walrow__pull_window *
other(walrow__pull *pull)
{
    return &pull->windows[1 - pull->turn];
}

/* ---- windows ---- */

static bool
has_second(const walrow__pull *pull)
{
    return pull->windows[1].conn != NULL && !pull->windows[0].refused && !pull->windows[1].refused;
}

static uint64_t
least_window(const walrow__pull *pull)
{
    bool by_function = pull->windows[0].function != NULL;
    return walrow__tuning("WALROW_PULL_WINDOW", by_function ? LEAST_WINDOW : MOST_WINDOW);
}

/* The last two are of one size. */
static uint64_t
window_size(const walrow__pull *pull, uint64_t reread, uint64_t left)
{
    uint64_t least = least_window(pull), wanted = reread * REREAD_FACTOR;
    uint64_t size = wanted < least ? least : wanted > MOST_WINDOW ? MOST_WINDOW : wanted;
    return has_second(pull) && left >= least && left < 2 * size ? left / 2 : size;
}

/* For now: things change. */
static walrow_code
give_way(walrow__pull *pull, walrow_error *err)
{
    pull->gives_way = true;
    if (err != NULL)
        err->retryable = true;
    return WALROW_ERR_SERVER;
}

static walrow_code
fail_pinned(walrow__pull *pull, uint64_t reread, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SERVER,
                 "pulling changes: a long transaction makes every call read %" PRIu64 " MB of WAL again",
                 reread >> 20);
    return give_way(pull, err);
}

static walrow_code
fail_large(walrow__pull *pull, const walrow__pull_window *window, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SERVER,
                 "pulling changes: of %" PRIu64
                 " bytes each, they cost a function's result more than it saves",
                 window->bytes / window->messages);
    return give_way(pull, err);
}

/* Everything goes through the result of a function, which the server writes aside and reads again. */
static bool
are_large(const walrow__pull *pull, const walrow__pull_window *window)
{
    return pull->or_push && window->messages >= MESSAGES_TO_JUDGE &&
           window->bytes / window->messages > LARGE_MESSAGE;
}

static void
rest(walrow__pull *pull, int64_t ms)
{
    current(pull)->phase = WALROW__PULL_IDLE;
    pull->rests_until = walrow__now_ms() + ms;
}

/* How much is left for it to read; with that, how large its window is to be. */
static walrow_code
measure(walrow__pull *pull, walrow__pull_window *window, uint64_t *left, uint64_t *size, walrow_error *err)
{
    uint64_t end_lsn = window->end_lsn, reread = window->confirmed_lsn - window->restart_lsn;
    if (reread > MOST_WINDOW)
        return fail_pinned(pull, reread, err);
    if (pull->until_lsn != 0 && pull->until_lsn < end_lsn)
        end_lsn = pull->until_lsn;
    *left = end_lsn > window->confirmed_lsn ? end_lsn - window->confirmed_lsn : 0;
    *size = window_size(pull, reread, *left);
    window->whole = *left >= *size;
    return WALROW_OK;
}

static walrow_code
call(walrow__pull *pull, walrow__pull_window *window, uint64_t left, uint64_t size, walrow_error *err)
{
    if (are_large(pull, window))
        return fail_large(pull, window, err);
    uint64_t begin_lsn = window->confirmed_lsn, upto_lsn = (begin_lsn + size) / PAGE_SIZE * PAGE_SIZE;
    pull->planned_lsn = window->whole && upto_lsn > begin_lsn ? upto_lsn : begin_lsn + left;
    return walrow__pull_window_call(window, pull->planned_lsn, err);
}

/* Where everything is, is known: read the next window, if there is one. */
static walrow_code
plan_window(walrow__pull *pull, walrow_error *err)
{
    uint64_t left, size;
    WALROW_TRY(measure(pull, current(pull), &left, &size, err));
    pull->at_tip = left < pull->tip_bytes;
    if (left != 0 && !pull->at_tip)
        return call(pull, current(pull), left, size, err);
    rest(pull, SHORTEST_REST_MS);
    return WALROW_OK;
}

/* A small one is not worth two connections. */
static walrow_code
plan_meanwhile(walrow__pull *pull, walrow_error *err)
{
    uint64_t left, size;
    WALROW_TRY(measure(pull, other(pull), &left, &size, err));
    if (left >= least_window(pull) / 2)
        return call(pull, other(pull), left, size, err);
    pull->alone = true;
    return walrow__pull_window_drop(other(pull), err);
}

/* Small windows cost the server as much as large ones: they are not read one after the other, unless to get to where
 * pushing begins. */
static int64_t
rest_after(const walrow__pull *pull, const walrow__pull_window *window)
{
    if (window->whole || pull->tip_bytes != 0)
        return 0;
    int64_t ms = REST_FACTOR * (walrow__now_ms() - window->called_at);
    return ms > LONGEST_REST_MS ? LONGEST_REST_MS : ms;
}

/* All of it has come: it is the other's turn, if it has begun to read on. */
static void
end_window(walrow__pull *pull, walrow__incoming *out)
{
    walrow__pull_window *window = current(pull);
    uint64_t lsn = window->upto_lsn > pull->read_lsn ? window->upto_lsn : pull->read_lsn;
    *out = (walrow__incoming){.kind = WALROW__INCOMING_KEEPALIVE, .lsn = lsn};
    rest(pull, rest_after(pull, window));
    pull->alone = false;
    if (other(pull)->phase > WALROW__PULL_IDLE)
        pull->turn = 1 - pull->turn;
}

/* ---- taking turns ---- */

static walrow_code
go_on(walrow__pull *pull, walrow__incoming *out, bool *wait, walrow_error *err)
{
    walrow__pull_window *window = current(pull);
    switch (window->phase) {
    case WALROW__PULL_IDLE:
        *wait = walrow__now_ms() < pull->rests_until;
        return *wait ? WALROW_OK : walrow__pull_window_seek(window, pull->planned_lsn, err);
    case WALROW__PULL_LOOKED:
        return plan_window(pull, err);
    case WALROW__PULL_ENDED:
        end_window(pull, out);
        return WALROW_OK;
    default:
        return walrow__pull_window_step(window, out, wait, err);
    }
}

/* The other reads on meanwhile, where there is much to be read, and has no copy that holds WAL back where not. */
static walrow_code
use_idle(walrow__pull *pull, walrow__pull_window *window, bool *wait, walrow_error *err)
{
    const walrow__pull_window *ahead = current(pull);
    bool has_copy = window->phase == WALROW__PULL_IDLE;
    bool under_way = ahead->phase >= WALROW__PULL_CALLS, more = ahead->whole && !pull->alone;
    *wait = !under_way || (!more && !has_copy);
    if (*wait)
        return WALROW_OK;
    if (!more)
        return walrow__pull_window_drop(window, err);
    return has_copy ? walrow__pull_window_seek(window, pull->planned_lsn, err)
                    : walrow__pull_window_copy(window, ahead->copy, err);
}

/* What comes for it waits in the server until it is its turn. */
static walrow_code
go_on_meanwhile(walrow__pull *pull, walrow_error *err)
{
    walrow__incoming none = {.kind = WALROW__INCOMING_NOTHING};
    walrow__pull_window *window = other(pull);
    bool wait = !has_second(pull);
    pull->messages = 0;
    while (!wait && window->phase < WALROW__PULL_READS) {
        if (window->phase == WALROW__PULL_LOOKED)
            WALROW_TRY(plan_meanwhile(pull, err));
        else if (window->phase == WALROW__PULL_NONE || window->phase == WALROW__PULL_IDLE)
            WALROW_TRY(use_idle(pull, window, &wait, err));
        else
            WALROW_TRY(walrow__pull_window_step(window, &none, &wait, err));
    }
    return WALROW_OK;
}

/* ---- the port ---- */

static walrow_code
read_source(walrow__source *source, walrow__incoming *out, walrow_error *err)
{
    walrow__pull *pull = (walrow__pull *)source;
    bool wait = pull->quits, heard;
    memset(out, 0, sizeof *out);
    while (out->kind == WALROW__INCOMING_NOTHING && !wait)
        WALROW_TRY(go_on(pull, out, &wait, err));
    if (out->kind == WALROW__INCOMING_KEEPALIVE)
        pull->read_lsn = out->lsn;
    if (!pull->quits && (wait || pull->messages++ >= MESSAGES_BETWEEN))
        WALROW_TRY(go_on_meanwhile(pull, err));
    if (!wait)
        return WALROW_OK;
    WALROW_TRY(walrow__mover_hear(&pull->mover, &heard, err));
    if (heard) /* what it answers says that the server is there */
        *out = (walrow__incoming){.kind = WALROW__INCOMING_KEEPALIVE, .lsn = pull->read_lsn};
    return WALROW_OK;
}

static void
take_message(walrow__source *source, struct ArrowBuffer *out)
{
    walrow__incoming_take(&current((walrow__pull *)source)->message, out);
}

static walrow_code
tell_status(walrow__source *source, uint64_t written_lsn, uint64_t flushed_lsn, bool wants_reply,
            walrow_error *err)
{
    (void)written_lsn;
    return walrow__mover_move(&((walrow__pull *)source)->mover, flushed_lsn, wants_reply, err);
}

static bool
awaits_server(const walrow__pull_window *window)
{
    return window->phase != WALROW__PULL_NONE && window->phase != WALROW__PULL_IDLE;
}

static nfds_t
source_waits(walrow__source *source, struct pollfd fds[WALROW__SOURCE_FDS], int *timeout_ms)
{
    walrow__pull *pull = (walrow__pull *)source;
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = PQsocket(pull->mover.conn), .events = POLLIN};
    if (pull->quits)
        return n;
    int64_t left_ms = pull->rests_until - walrow__now_ms();
    if (awaits_server(current(pull)))
        fds[n++] = (struct pollfd){.fd = PQsocket(current(pull)->conn), .events = POLLIN};
    else if (left_ms < *timeout_ms)
        *timeout_ms = left_ms < 0 ? 0 : (int)left_ms;
    if (awaits_server(other(pull)) && other(pull)->phase < WALROW__PULL_READS)
        fds[n++] = (struct pollfd){.fd = PQsocket(other(pull)->conn), .events = POLLIN};
    return n;
}

static void
quit_source(walrow__source *source)
{
    ((walrow__pull *)source)->quits = true;
}

static void
close_source(walrow__source *source)
{
    walrow__pull *pull = (walrow__pull *)source;
    int victims[WALROW__PULL_WINDOWS], n = 0;
    /* a call under way would hold its copy of the slot, and WAL with it, until it is done */
    for (int i = 0; i < WALROW__PULL_WINDOWS; i++) {
        if (PQtransactionStatus(pull->windows[i].conn) == PQTRANS_ACTIVE)
            victims[n++] = PQbackendPID(pull->windows[i].conn);
    }
    walrow__mover_close(&pull->mover, victims, n);
    for (int i = 0; i < WALROW__PULL_WINDOWS; i++)
        walrow__pull_window_close(&pull->windows[i]);
    free(pull->settings);
    memset(pull, 0, sizeof *pull);
}

static bool
is_behind(const walrow__source *source)
{
    const walrow__pull *pull = (const walrow__pull *)source;
    return pull->windows[pull->turn].phase >= WALROW__PULL_CALLS;
}

static const walrow__source_ops ops = {
    .name = "pull",
    .read = read_source,
    .take = take_message,
    .status = tell_status,
    .waits = source_waits,
    .is_behind = is_behind,
    .quit = quit_source,
    .close = close_source,
};

/* ---- starting ---- */

static walrow_code
begin(walrow__pull *pull, const walrow__source_options *options, walrow_error *err)
{
    WALROW_TRY(walrow__pull_copy_slot(pull, options, err));
    walrow__pull_window *window = current(pull);
    window->confirmed_lsn = pull->mover.confirmed_lsn;
    pull->read_lsn = options->start_lsn > window->confirmed_lsn ? options->start_lsn : window->confirmed_lsn;
    pull->planned_lsn = pull->read_lsn;
    return walrow__pull_window_seek(window, pull->planned_lsn, err);
}

walrow_code
walrow__pull_start(walrow__pull *pull, PGconn *conn, PGconn *mover, const walrow__source_options *options,
                   walrow_error *err)
{
    *pull = (walrow__pull){.base.ops = &ops,
                           .until_lsn = options->until_lsn,
                           .tip_bytes = options->tip_bytes,
                           .or_push = options->or_push};
    walrow__pull_window_init(current(pull), conn);
    walrow_code code = walrow__mover_start(&pull->mover, mover, options->slot, options->timeout_ms, err);
    if (code == WALROW_OK)
        code = begin(pull, options, err);
    if (code != WALROW_OK)
        close_source(&pull->base);
    return code;
}

bool
walrow__pull_wants_second(const walrow__pull *pull)
{
    return pull->windows[0].function != NULL;
}

void
walrow__pull_second(walrow__pull *pull, PGconn *conn)
{
    walrow__pull_window_init(other(pull), conn);
    other(pull)->function = current(pull)->function;
    other(pull)->settings = pull->settings;
}

/* Whatever does not heal by waiting, and class 53: no slot, no connection, no space, temp_file_limit. */
bool
walrow__pull_refused(const walrow__pull *pull, const walrow_error *err)
{
    bool said = err->sqlstate[0] != '\0';
    return pull->gives_way || (said && (!err->retryable || strncmp(err->sqlstate, "53", 2) == 0));
}
