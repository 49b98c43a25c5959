#include "base/option_value.h"

#include "base/error.h"
#include "base/parse.h"

#include <stdlib.h>
#include <string.h>

static void *
field_of(walrow_options *options, size_t at)
{
    return (char *)options + walrow__option_rules[at].offset;
}

/* ---- one function per type ---- */

static walrow_code
set_flag(bool *field, const walrow_option_info *info, const char *value, walrow_error *err)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is neither true nor false", info->name,
                            value);
    *field = value[0] == 't';
    return WALROW_OK;
}

static walrow_code
set_text(char **field, const char *value, walrow_error *err)
{
    char *copy = strdup(value);
    if (copy == NULL)
        return walrow__fail_memory(err);
    free(*field);
    *field = copy;
    return WALROW_OK;
}

static walrow_code
check_name(const walrow_option_info *info, const char *value, walrow_error *err)
{
    size_t size = strlen(value);
    if (size >= 1 && size <= 63)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is not a name: it has %zu bytes", info->name, value,
                 size);
    return walrow__hint(err, "PostgreSQL names have 1 to 63 bytes");
}

/* PostgreSQL's ReplicationSlotValidateName. */
static walrow_code
check_slot_name(const walrow_option_info *info, const char *value, walrow_error *err)
{
    size_t size = strlen(value);
    if (size >= 1 && size <= 63 && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_") == size)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" cannot name a replication slot", info->name, value);
    return walrow__hint(err, "slot names have 1 to 63 lower case letters, digits and underscores");
}

static walrow_code
set_choice(int *field, const walrow_option_info *info, const walrow__option_rule *rule, const char *value,
           walrow_error *err)
{
    size_t size = strlen(value);
    int at = 0;
    for (const char *word = rule->choices; *word != '\0'; at++) {
        size_t word_size = strcspn(word, " ");
        if (word_size == size && memcmp(word, value, size) == 0) {
            *field = at;
            return WALROW_OK;
        }
        word += word_size;
        word += strspn(word, " ");
    }
    walrow__fail(err, WALROW_ERR_USAGE, "--%s: unknown value \"%s\"", info->name, value);
    return walrow__hint(err, "it is one of: %s", rule->choices);
}

static walrow_code
set_number(int64_t *field, const walrow_option_info *info, const walrow__option_rule *rule, const char *value,
           walrow_error *err)
{
    static const struct {
        bool (*parse)(const char *text, int64_t *out);
        const char *what;
    } kinds[] = {[WALROW__OPTION_NUMBER] = {walrow__parse_int, "a whole number"},
                 [WALROW__OPTION_SIZE] = {walrow__parse_size, "a size"},
                 [WALROW__OPTION_DURATION] = {walrow__parse_duration, "a duration"}};
    int64_t number;
    if (!kinds[rule->type].parse(value, &number)) {
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is not %s", info->name, value,
                     kinds[rule->type].what);
        return walrow__hint(err, "as in --%s %s", info->name,
                            rule->type == WALROW__OPTION_DURATION ? "10s (ms, s, min, h, d)"
                                                                  : info->default_text);
    }
    if (number < rule->min || number > rule->max) {
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: %s is out of range", info->name, value);
        return walrow__hint(err, "it goes from %lld to %lld", (long long)rule->min, (long long)rule->max);
    }
    __atomic_store_n(field, number, __ATOMIC_RELAXED); /* see walrow__live */
    return WALROW_OK;
}

static walrow_code
set_lsn(uint64_t *field, const walrow_option_info *info, const char *value, walrow_error *err)
{
    uint64_t lsn;
    if (!walrow_lsn_parse(value, &lsn) || lsn == 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is not a position in the WAL", info->name, value);
        return walrow__hint(err,
                            "positions look like 0/15D6B88; \"select pg_current_wal_flush_lsn()\" gives one");
    }
    *field = lsn;
    return WALROW_OK;
}

static walrow_code
set_until(walrow_options *options, const walrow_option_info *info, const char *value, walrow_error *err)
{
    uint64_t lsn = 0;
    bool now = strcmp(value, "now") == 0;
    if (!now)
        WALROW_TRY(set_lsn(&lsn, info, value, err));
    options->until_now = now;
    options->until_lsn = lsn;
    return WALROW_OK;
}

static void
release_override(walrow__type_override *override)
{
    free(override->schema);
    free(override->table);
    free(override->column);
    free(override->arrow_type);
}

static walrow_code
add_override(walrow_options *options, const walrow_option_info *info, const char *value, walrow_error *err)
{
    walrow__type_override *types = realloc(options->types, (options->n_types + 1) * sizeof *types);
    if (types == NULL)
        return walrow__fail_memory(err);
    options->types = types;

    walrow__type_override *last = &types[options->n_types];
    char *names[3] = {0};
    const char *rest = walrow__parse_names(value, names, 3);
    if (rest != NULL && *rest == '=' && rest[1] != '\0' && strcmp(rest + 1, "utf8") != 0) {
        for (int i = 0; i < 3; i++)
            free(names[i]);
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: a column cannot be mapped to \"%s\"", info->name,
                     rest + 1);
        return walrow__hint(err, "only utf8 can be asked for: the value as PostgreSQL prints it");
    }
    if (rest != NULL && *rest == '=' && rest[1] != '\0')
        *last = (walrow__type_override){names[0], names[1], names[2], strdup(rest + 1)};
    else {
        for (int i = 0; i < 3; i++)
            free(names[i]);
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is not SCHEMA.TABLE.COLUMN=TYPE", info->name,
                     value);
        return walrow__hint(err,
                            "as in --type public.orders.note=utf8; quote odd names: \"My Schema\".t.c=utf8");
    }
    if (last->arrow_type == NULL) {
        release_override(last);
        return walrow__fail_memory(err);
    }
    options->n_types++;
    return WALROW_OK;
}

/* ---- any of them ---- */

walrow_code
walrow__option_value_set(walrow_options *options, size_t at, const char *value, walrow_error *err)
{
    const walrow_option_info *info = &walrow__option_infos[at];
    const walrow__option_rule *rule = &walrow__option_rules[at];
    void *field = field_of(options, at);

    switch (rule->type) {
    case WALROW__OPTION_FLAG:
        return set_flag(field, info, value, err);
    case WALROW__OPTION_NAME:
        WALROW_TRY(check_name(info, value, err));
        return set_text(field, value, err);
    case WALROW__OPTION_SLOT:
        WALROW_TRY(check_slot_name(info, value, err));
        return set_text(field, value, err);
    case WALROW__OPTION_TEXT:
        return set_text(field, value, err);
    case WALROW__OPTION_LIST:
        return walrow__texts_add(field, value) ? WALROW_OK : walrow__fail_memory(err);
    case WALROW__OPTION_CHOICE:
        return set_choice(field, info, rule, value, err);
    case WALROW__OPTION_NUMBER:
    case WALROW__OPTION_SIZE:
    case WALROW__OPTION_DURATION:
        return set_number(field, info, rule, value, err);
    case WALROW__OPTION_LSN:
        return set_lsn(field, info, value, err);
    case WALROW__OPTION_UNTIL:
        return set_until(options, info, value, err);
    case WALROW__OPTION_OVERRIDE:
        return add_override(options, info, value, err);
    }
    return walrow__fail(err, WALROW_ERR_UNEXPECTED, "option %s has no type", info->name);
}

static void
release_value(walrow_options *options, size_t at)
{
    switch (walrow__option_rules[at].type) {
    case WALROW__OPTION_TEXT:
    case WALROW__OPTION_NAME:
    case WALROW__OPTION_SLOT:
        free(*(char **)field_of(options, at));
        break;
    case WALROW__OPTION_LIST:
        walrow__texts_release(field_of(options, at));
        break;
    default:
        break;
    }
}

void
walrow__option_values_release(walrow_options *options)
{
    for (size_t at = 0; at < walrow__option_count; at++)
        release_value(options, at);
    for (size_t i = 0; i < options->n_types; i++)
        release_override(&options->types[i]);
    free(options->types);
}
