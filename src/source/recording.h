/*
 * source/recording.h
 *	  A file of what a slot sent: the raw messages of its plugin, with the type catalogue if decoding them needs one.
 *
 * Layout, integers in network byte order:
 *	  8 bytes   "WALROW\1\n"
 *	  frames:   u8 kind, u64 LSN, u32 size, size bytes
 *	  kind 'H'  the header, first and once: a JSON object (plugin, binary, system_identifier, timeline, database,
 *	            slot, server_version)
 *	  kind 'T'  types: everything known of types so far, as walrow__catalog_dump writes it; before the messages
 *	            that need it
 *	  kind 'w'  a message of the plugin
 */
#ifndef WALROW_SOURCE_RECORDING_H
#define WALROW_SOURCE_RECORDING_H

#include "base/strbuf.h"

#include <stdio.h>
#include <walrow.h>

enum { WALROW__FRAME_HEADER = 'H', WALROW__FRAME_TYPES = 'T', WALROW__FRAME_MESSAGE = 'w' };

typedef struct walrow__recording_header {
    char plugin[64];
    bool binary;
    uint64_t system_identifier;
    uint32_t timeline;
    char database[64];
    char slot[64];
    int server_version;
} walrow__recording_header;

typedef struct walrow__frame {
    uint8_t kind;
    uint64_t lsn;
    const uint8_t *bytes; /* into the mapped file */
    size_t size;
} walrow__frame;

/* ---- writing ---- */

walrow_code walrow__recording_create(const char *path, const walrow__recording_header *header, FILE **out,
                                     walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__recording_write(FILE *file, uint8_t kind, uint64_t lsn, const void *bytes, size_t size,
                                    walrow_error *err) WALROW_MUST_CHECK;
/** Flush, fsync, close; takes file whatever the outcome. */
walrow_code walrow__recording_finish(FILE *file, walrow_error *err) WALROW_MUST_CHECK;

/* ---- reading ---- */

typedef struct walrow__recording {
    const uint8_t *bytes; /* the file, mapped */
    size_t size;
    size_t at;
    size_t forgotten; /* bytes whose pages were given back */
    walrow__recording_header header;
} walrow__recording;

/** Errors: WALROW_ERR_USAGE (cannot be opened), WALROW_ERR_PROTOCOL (not a recording, or a broken one) */
walrow_code walrow__recording_open(const char *path, walrow__recording *out,
                                   walrow_error *err) WALROW_MUST_CHECK;
/** The next frame; WALROW_END after the last. A frame cut off by a crash of the recorder is an error that
 * says so. */
walrow_code walrow__recording_next(walrow__recording *recording, walrow__frame *out,
                                   walrow_error *err) WALROW_MUST_CHECK;
void walrow__recording_close(walrow__recording *recording);

#endif
