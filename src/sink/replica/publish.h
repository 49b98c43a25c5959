/*
 * sink/replica/publish.h
 *	  A copy of the DuckDB file for readers, who cannot open the file itself while it is written.
 *
 * After a checkpoint the file is whole without its WAL, and nobody else writes to it: its bytes are copied
 * beside the other name, synced and renamed. Where the file system shares blocks that costs next to nothing.
 */
#ifndef WALROW_SINK_REPLICA_PUBLISH_H
#define WALROW_SINK_REPLICA_PUBLISH_H

#include "sink/replica/state.h"

typedef struct walrow__publisher {
    char *path; /* of the copy; NULL: none is wanted */
    int fd;     /* the file itself, for reading; -1 until it is needed */
} walrow__publisher;

/** Copy the file as it is. Outside of transactions. */
walrow_code walrow__publish(walrow__publisher *publisher, walrow__replica *replica,
                            walrow_error *err) WALROW_MUST_CHECK;
/* After the file was closed: closing any descriptor of it would end DuckDB's lock (fcntl(2)). */
void walrow__publisher_release(walrow__publisher *publisher);

#endif
