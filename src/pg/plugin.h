/*
 * pg/plugin.h
 *	  Which output plugin a slot is made for, and whether the server can load it.
 */
#ifndef WALROW_PG_PLUGIN_H
#define WALROW_PG_PLUGIN_H

#include "pg/slot.h"

typedef enum walrow__plugin_state {
    WALROW__PLUGIN_NOT_ASKED,
    WALROW__PLUGIN_LOADS,
    WALROW__PLUGIN_MISSING,   /* no such library */
    WALROW__PLUGIN_UNTRUSTED, /* output_plugin_libraries does not name it; whether it is there is not told */
    WALROW__PLUGIN_BROKEN     /* it is there and cannot be loaded: built for another server */
} walrow__plugin_state;

/**
 * Can the server load it? Asked with a temporary slot, which is gone when this returns; nothing short of that
 * loads a library for a role that may only replicate. A plugin that is not there is an ERROR in the server's log.
 *
 * @param why   what the server said if it cannot; size bytes
 * Errors: why no slot can be made at all, as walrow__slot_create has them
 */
walrow_code walrow__plugin_probe(PGconn *conn, const char *plugin, walrow__plugin_state *out, char *why,
                                 size_t size, walrow_error *err) WALROW_MUST_CHECK;

/** Does the plugin send the text of a database in that encoding as UTF-8? SQL_ASCII, which may be anything, will do. */
bool walrow__plugin_knows_encoding(const char *plugin, const char *encoding);

/** Does output_plugin_libraries, as the server shows it, name the plugin? */
bool walrow__plugin_list_has(const char *list, const char *plugin);

typedef struct walrow__plugin_choice {
    const char *name;           /* static */
    walrow__plugin_state state; /* of wal2arrow, if that was asked */
    char why[256];              /* why wal2arrow cannot be taken; "" if it can, or that was not asked */
} walrow__plugin_choice;

/**
 * Could wal2arrow stream these publications from this server? If not, out->name is pgoutput, and out->why says
 * why.
 * Errors: as walrow__plugin_probe
 */
walrow_code walrow__plugin_judge(PGconn *conn, const walrow_options *options, walrow__plugin_choice *out,
                                 walrow_error *err) WALROW_MUST_CHECK;

/**
 * The plugin to stream through: that of the slot if there is one (which fits, see walrow__slot_fits), else what
 * was asked for. auto is wal2arrow if the server can load it and the publications ask nothing of it that it
 * cannot do, else pgoutput.
 * Errors: WALROW_ERR_SERVER (cannot be loaded, is not trusted), WALROW_ERR_PUBLICATION (asks too much of an
 * explicit --plugin wal2arrow); as walrow__plugin_probe
 */
walrow_code walrow__plugin_choose(PGconn *conn, const walrow_options *options, const walrow__slot *slot,
                                  walrow__plugin_choice *out, walrow_error *err) WALROW_MUST_CHECK;
/** Errors: WALROW_ERR_USAGE if options ask for a plugin that cannot be read. */
walrow_code walrow__plugin_readable(const walrow_options *options, walrow_error *err) WALROW_MUST_CHECK;

#endif
