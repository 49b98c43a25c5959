/*
 * wal2arrow.h
 *	  What the procedure asks of the plugin, if it is the slot's: that small transactions share messages. The plugin
 *	  itself never knows whether another will come; who drives the decoding knows when it is time to send.
 */
#ifndef WAL2ARROW_WAL2ARROW_H
#define WAL2ARROW_WAL2ARROW_H

#include "postgres.h"

#include "replication/logical.h"

/* From now on transactions wait until there is about so much of them. Raises an error for another plugin's slot. */
extern void wal2arrow_group(LogicalDecodingContext *ctx, int64 bytes);
/* Between two records of the WAL: send those that wait, all of which committed before lsn. */
extern void wal2arrow_send_group(LogicalDecodingContext *ctx, XLogRecPtr lsn);

#endif
