/*
 * sink/redis/settings.h
 *	  What the URI of a Redis sink says: redis://[[user]:password@]host[:port][/db]?parameters, as Redis's own clients
 *	  read it; rediss:// is the same through TLS. A host that begins with a slash (%2Frun%2Fredis.sock) is a socket's path.
 */
#ifndef WALROW_SINK_REDIS_SETTINGS_H
#define WALROW_SINK_REDIS_SETTINGS_H

#include "base/texts.h"

#include <walrow.h>

/* What becomes of the key of a row that changed. */
typedef enum walrow__redis_action {
    WALROW__REDIS_UNLINK,
    WALROW__REDIS_DEL,
    WALROW__REDIS_PUBLISH,
    WALROW__REDIS_SET /* the row as it is now; UNLINK when there is none */
} walrow__redis_action;

typedef struct walrow__redis_settings {
    char *host, *user, *password; /* the latter two: NULL: none */
    int port;
    int64_t db;
    char *place; /* of it, for messages: without secrets */
    walrow__redis_action action;
    char *key;                /* a template */
    walrow__texts table_keys; /* "key.SCHEMA.TABLE=TEMPLATE" */
    char *channel;            /* a template */
    uint64_t ttl_s;           /* 0: for ever */
    bool scans;               /* a truncate looks for the table's keys */
    uint64_t timeout_s;       /* of silence */
    bool has_tls;
    uint64_t tls_verify;
    char *tls_ca, *tls_cert, *tls_key; /* files; NULL: the system's, none, none */
} walrow__redis_settings;

/**
 * Read them; no server is asked.
 * @param path  what follows the scheme, up to "?"
 * Errors: WALROW_ERR_USAGE
 */
walrow_code walrow__redis_settings_parse(walrow__redis_settings *settings, const char *uri, const char *path,
                                         const char *params, walrow_error *err) WALROW_MUST_CHECK;
/* Settings that are all zeros are fine. */
void walrow__redis_settings_release(walrow__redis_settings *settings);

/** The template of a table's keys; borrowed. */
const char *walrow__redis_settings_key(const walrow__redis_settings *settings, const char *schema_name,
                                       const char *table_name);

#endif
