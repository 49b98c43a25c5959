/*
 * base/option_table.h
 *	  The one table of options, each by its position in it: what help says (walrow_option_table), and how its text
 *	  becomes a field of walrow_options.
 */
#ifndef WALROW_BASE_OPTION_TABLE_H
#define WALROW_BASE_OPTION_TABLE_H

#include <walrow.h>

typedef enum walrow__option_type {
    WALROW__OPTION_FLAG,     /* bool */
    WALROW__OPTION_TEXT,     /* char * */
    WALROW__OPTION_NAME,     /* char *: a PostgreSQL name, 1 to 63 bytes */
    WALROW__OPTION_SLOT,     /* char *: a replication slot's name */
    WALROW__OPTION_LIST,     /* walrow__texts */
    WALROW__OPTION_CHOICE,   /* int: position among the choices */
    WALROW__OPTION_NUMBER,   /* int64_t, min to max */
    WALROW__OPTION_SIZE,     /* int64_t, bytes, min to max */
    WALROW__OPTION_DURATION, /* int64_t, milliseconds, min to max */
    WALROW__OPTION_LSN,      /* uint64_t */
    WALROW__OPTION_UNTIL,    /* until_lsn and until_now */
    WALROW__OPTION_OVERRIDE  /* types */
} walrow__option_type;

typedef struct walrow__option_rule {
    walrow__option_type type;
    size_t offset; /* of the field */
    int64_t min, max;
    const char *choices; /* CHOICE: names, separated by spaces */
    bool live;           /* may change while a stream runs */
} walrow__option_rule;

extern const size_t walrow__option_count;
extern const walrow_option_info walrow__option_infos[];
extern const walrow__option_rule walrow__option_rules[];

/* Its position; walrow__option_count: there is none of that name. */
size_t walrow__option_find(const char *name);

#endif
