#include "copy_out.h"

/* What libpq.h says of a connection wants these libraries' headers. Nothing here looks into a connection. */
#undef ENABLE_GSS
#undef USE_OPENSSL
#include "libpq/libpq.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Of one send(): the server's own buffer has 8 kB until it is asked for more. */
enum { BATCH_BYTES = 64 * 1024, MESSAGE_HEADER = 5 };

/* Nobody else, vacuum for one, has to wait for a slow client. One that is gone ends the session here. */
static void
send_batch(copy_out *out)
{
    InvalidateCatalogSnapshot();
    out->unsent = 0;
    (void)pq_flush();
    CHECK_FOR_INTERRUPTS();
}

static void
put(copy_out *out, const StringInfoData *message)
{
    Size size = (Size)message->len + MESSAGE_HEADER;
    if (out->unsent + size > BATCH_BYTES)
        send_batch(out);
    /* noblock makes room in the buffer, which stays as large: not for a message of any size */
    if (size > BATCH_BYTES)
        (void)pq_putmessage('d', message->data, message->len);
    else
        (void)pq_putmessage_noblock('d', message->data, message->len);
    out->unsent += Min(size, BATCH_BYTES); /* of a larger one no more is left */
    CHECK_FOR_INTERRUPTS();
}

void
copy_out_begin(copy_out *out)
{
    StringInfoData message;
    pq_beginmessage(&message, 'H');
    pq_sendbyte(&message, 1); /* binary, of no columns: the messages are not rows */
    pq_sendint16(&message, 0);
    pq_endmessage(&message);
    out->unsent = 0;
}

void
copy_out_position(copy_out *out, XLogRecPtr lsn)
{
    StringInfoData message;
    initStringInfo(&message);
    pq_sendbyte(&message, 'k');
    pq_sendint64(&message, lsn);
    pq_sendint64(&message, GetCurrentTimestamp());
    pq_sendbyte(&message, 0); /* no reply, please */
    put(out, &message);
    pfree(message.data);
    send_batch(out);
}

void
copy_out_end(void)
{
    pq_putemptymessage('c');
}

/* Only a transaction's last message says where it is, as walsender has it. */
void
copy_out_prepare(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool last_write)
{
    (void)xid;
    XLogRecPtr shown = last_write ? lsn : InvalidXLogRecPtr;
    resetStringInfo(ctx->out);
    pq_sendbyte(ctx->out, 'w');
    pq_sendint64(ctx->out, shown);
    pq_sendint64(ctx->out, shown);
    pq_sendint64(ctx->out, GetCurrentTimestamp());
}

void
copy_out_write(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool last_write)
{
    (void)lsn;
    (void)xid;
    (void)last_write;
    put(ctx->output_writer_private, ctx->out);
}
