#include "base/timelines.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20, LINE_SIZE = 64 }; /* a line's reason may be long; what counts is before it */

/* ---- the history file ---- */

static walrow_code
fail_line(uint32_t timeline, size_t line, const char *why, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_PROTOCOL, "the history of timeline %" PRIu32 ", line %zu: %s", timeline,
                 line, why);
    return walrow__hint(err, "look at pg_wal/%08" PRIX32 ".history on the server", timeline);
}

/* "1<blanks>0/15D6B88", and blanks before whatever follows. */
static const char *
read_branch(const char *text, walrow__branch *out)
{
    static const char blanks[] = " \t";
    char *end;
    size_t digits = strspn(text, "0123456789");
    uint64_t timeline = digits == 0 || digits > 10 ? 0 : strtoull(text, &end, 10);
    if (timeline == 0 || timeline > UINT32_MAX)
        return "it begins with no timeline";
    out->timeline = (uint32_t)timeline;
    const char *at = text + digits;
    size_t gap = strspn(at, blanks);
    char lsn[WALROW_LSN_SIZE];
    size_t size = strcspn(at + gap, blanks);
    if (gap == 0 || size >= sizeof lsn)
        return "no LSN follows the timeline";
    memcpy(lsn, at + gap, size);
    lsn[size] = '\0';
    return walrow_lsn_parse(lsn, &out->lsn) ? NULL : "no LSN follows the timeline";
}

static const char *
check_order(const walrow__timelines *timelines, const walrow__branch *branch)
{
    const walrow__branch *before = timelines->count == 0 ? NULL : &timelines->branches[timelines->count - 1];
    if (branch->timeline >= timelines->current)
        return "its timeline is not older than the one the history is of";
    if (before != NULL && branch->timeline <= before->timeline)
        return "its timeline is not younger than the one before";
    return before != NULL && branch->lsn < before->lsn ? "its LSN is before that of the line above" : NULL;
}

static walrow_code
add_branch(walrow__timelines *timelines, const walrow__branch *branch, walrow_error *err)
{
    walrow__branch *more = realloc(timelines->branches, (timelines->count + 1) * sizeof *timelines->branches);
    if (more == NULL)
        return walrow__fail_memory(err);
    timelines->branches = more;
    timelines->branches[timelines->count++] = *branch;
    return WALROW_OK;
}

static walrow_code
read_line(walrow__timelines *timelines, const char *bytes, size_t size, size_t number, walrow_error *err)
{
    char line[LINE_SIZE];
    walrow__branch branch;
    while (size > 0 && (*bytes == ' ' || *bytes == '\t')) {
        bytes++;
        size--;
    }
    if (size == 0 || *bytes == '#')
        return WALROW_OK;
    size_t kept = size < sizeof line ? size : sizeof line - 1;
    memcpy(line, bytes, kept);
    line[kept] = '\0';
    const char *why = read_branch(line, &branch);
    if (why == NULL)
        why = check_order(timelines, &branch);
    return why == NULL ? add_branch(timelines, &branch, err)
                       : fail_line(timelines->current, number, why, err);
}

walrow_code
walrow__timelines_parse(const char *bytes, size_t size, uint32_t current, walrow__timelines *out,
                        walrow_error *err)
{
    *out = (walrow__timelines){.current = current};
    if (size > MAX_BYTES)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "the history of timeline %" PRIu32 " has %zu bytes, which cannot be", current,
                            size);
    size_t number = 1;
    for (const char *at = bytes, *end = bytes + size; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline == NULL ? end : newline;
        walrow_code code = read_line(out, at, (size_t)(line_end - at), number, err);
        if (code != WALROW_OK) {
            walrow__timelines_release(out);
            return code;
        }
        at = line_end + 1;
    }
    if (out->count == 0 && current > 1)
        return fail_line(current, number, "it ends without a timeline that was left", err);
    return WALROW_OK;
}

void
walrow__timelines_release(walrow__timelines *timelines)
{
    free(timelines->branches);
    *timelines = (walrow__timelines){0};
}

/* ---- going on ---- */

static walrow_code
fail_other_branch(const walrow__identity *now, uint32_t then, const char *what, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_STATE,
                 "%s followed timeline %" PRIu32 ", and the server is on timeline %" PRIu32
                 ", which did not come from it",
                 what, then, now->timeline);
    return walrow__hint(err,
                        "an old primary that came back, or a server restored from an older backup: connect "
                        "to the one that was promoted, or read the tables again: walrow teardown --slot %s, "
                        "then stream into another place (--to)",
                        now->slot);
}

static walrow_code
fail_past(const walrow__identity *now, const walrow__branch *branch, uint64_t reached_lsn, const char *what,
          walrow_error *err)
{
    char reached[WALROW_LSN_SIZE], left[WALROW_LSN_SIZE];
    walrow__fail(err, WALROW_ERR_STATE,
                 "%s has changes up to %s of timeline %" PRIu32 ", which the server left at %s for timeline "
                 "%" PRIu32 ": %" PRIu64 " bytes of WAL further than this server ever was",
                 what, walrow_lsn_format(reached_lsn, reached), branch->timeline,
                 walrow_lsn_format(branch->lsn, left), now->timeline, reached_lsn - branch->lsn);
    return walrow__hint(err,
                        "they were never replicated before the fail-over, or are younger than the backup: "
                        "read the tables again: walrow teardown --slot %s, then stream into another place "
                        "(--to)",
                        now->slot);
}

static const walrow__branch *
find_branch(const walrow__timelines *timelines, uint32_t timeline)
{
    for (size_t i = 0; i < timelines->count; i++)
        if (timelines->branches[i].timeline == timeline)
            return &timelines->branches[i];
    return NULL;
}

walrow_code
walrow__timelines_follow(const walrow__identity *now, uint32_t then, uint64_t reached_lsn, const char *what,
                         uint64_t *branch_lsn, walrow_error *err)
{
    *branch_lsn = UINT64_MAX;
    if (then == now->timeline)
        return WALROW_OK;
    if (now->timelines != NULL && now->timelines->failure.code != WALROW_OK) {
        if (err != NULL)
            *err = now->timelines->failure;
        return now->timelines->failure.code;
    }
    if (now->timelines == NULL) {
        walrow__fail(err, WALROW_ERR_STATE,
                     "%s followed timeline %" PRIu32 ", and what comes is of timeline %" PRIu32, what, then,
                     now->timeline);
        return walrow__hint(err,
                            "a recording does not say whether one came from the other: name another place");
    }
    const walrow__branch *branch = find_branch(now->timelines, then);
    if (branch == NULL)
        return fail_other_branch(now, then, what, err);
    if (reached_lsn > branch->lsn)
        return fail_past(now, branch, reached_lsn, what, err);
    *branch_lsn = branch->lsn;
    return WALROW_OK;
}

walrow_code
walrow__timelines_torn(walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_NET, "two connections ended at servers of different timelines");
}
