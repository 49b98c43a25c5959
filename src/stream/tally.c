#include "stream/tally.h"

#include "columns/batch.h"

#include <inttypes.h>
#include <stdio.h>

static void
count_ops(walrow_report *report, const struct ArrowArray *batch)
{
    uint64_t counts[256] = {0};
    const uint8_t *ops = batch->children[WALROW__OP]->buffers[2]; /* a byte a row */
    for (int64_t i = 0; i < batch->length; i++)
        counts[ops[i]]++;
    report->inserts += counts['I'];
    report->updates += counts['U'];
    report->deletes += counts['D'];
    report->truncates += counts['T'];
    report->reads += counts['R'];
}

static bool
is_before(walrow__position a, uint64_t lsn, uint64_t seq)
{
    return walrow__position_compare(a, (walrow__position){lsn, (uint32_t)seq}) < 0;
}

static void
note_positions(walrow_report *report, const struct ArrowArray *batch)
{
    walrow__position first = walrow__batch_position(batch, 0);
    walrow__position last = walrow__batch_position(batch, batch->length - 1);
    if (report->first_lsn == 0 || is_before(first, report->first_lsn, report->first_seq)) {
        report->first_lsn = first.commit_lsn;
        report->first_seq = first.seq;
    }
    if (!is_before(last, report->last_lsn, report->last_seq)) {
        report->last_lsn = last.commit_lsn;
        report->last_seq = last.seq;
    }
}

void
walrow__tally_changes(walrow_report *report, const walrow_changes *changes)
{
    for (size_t i = 0; i < changes->n_batches; i++) {
        const struct ArrowArray *batch = &changes->batches[i].array;
        if (batch->length == 0)
            continue;
        count_ops(report, batch);
        note_positions(report, batch);
    }
    report->change_sets++;
    /* one that goes on is listed last, and counted when it ends */
    report->transactions += changes->n_transactions - (changes->partial && changes->n_transactions > 0);
    report->messages += changes->n_messages;
    report->dead_letters += changes->n_dead_letters;
}

/* Not getrusage's, which counts what whoever forked this process had in memory before the exec. */
uint64_t
walrow__peak_rss(void)
{
    char line[256];
    uint64_t kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmHWM: %" SCNu64, &kb) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return kb * 1024;
}
