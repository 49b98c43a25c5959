/*
 * pg/patterns.c
 *	  Table patterns: a comma-separated list; "!" in front excludes.
 *
 *	  A pattern without any of * ? + [ ] ( ) { } | ^ $ \ is exact; one whose only such characters are * and ?
 * is a glob; any other is a regular expression (PCRE2), matched whole. "Quoted" text stands for itself.
 *
 *	  The first dot separates schema and table if it is bare: not quoted, not escaped, not within brackets or
 *	  parentheses, and in a regular expression not followed by a quantifier ("app.*_[0-9]+\.t": there it means
 * any character). A pattern without any dot is looked up in the search path; a regular expression whose first
 * dot is not bare is matched against "schema.table". A bare | separates alternatives, each with a dot of its
 * own: "app.a|shop.b"; one without takes the schema of the first: "app.a|b".
 *
 *	  All become regular expressions over schema, NUL, table (no name holds a NUL, so that neither part
 * reaches into the other), or over "schema.table".
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pg/patterns.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME 1024 /* bytes; PostgreSQL's own limit is 63 unless it was built otherwise */

typedef enum pattern_kind { EXACT, GLOB, REGEX } pattern_kind;

typedef struct alternative {
    pcre2_code *code;
    bool split;       /* over schema NUL table */
    bool unqualified; /* only where an unqualified name is found */
} alternative;

typedef struct pattern {
    char *text; /* without "!" */
    pattern_kind kind;
    bool excludes;
    alternative *alternatives;
    size_t n_alternatives;
} pattern;

struct walrow_patterns {
    pattern *items;
    size_t count;
    walrow__texts search_path;
};

/* ---- scanning: what a character is, given what stood before ---- */

typedef struct scanner {
    bool quoted;   /* within "..." */
    bool brackets; /* within [...] */
    int depth;     /* of ( and { */
    size_t bracket_at;
} scanner;

/*
 * Step over text[at]; returns how many bytes belong together (an escape takes two). *bare: a character that
 * neither quotes nor brackets protect.
 */
static size_t
scan(scanner *state, const char *text, size_t at, bool *bare)
{
    char c = text[at];
    *bare = !state->quoted && !state->brackets && state->depth == 0;
    if (state->quoted) {
        if (c == '"' && text[at + 1] == '"')
            return 2;
        if (c == '"')
            state->quoted = false;
        return 1;
    }
    if (c == '\\') {
        *bare = false;
        return text[at + 1] == '\0' ? 1 : 2;
    }
    if (state->brackets) {
        const char *class_end = c == '[' && text[at + 1] == ':' ? strstr(text + at, ":]") : NULL;
        if (class_end != NULL) /* [:alpha:] */
            return (size_t)(class_end + 2 - (text + at));
        bool is_first = at == state->bracket_at + 1 || (at == state->bracket_at + 2 && text[at - 1] == '^');
        if (c == ']' && !is_first)
            state->brackets = false;
        return 1;
    }
    if (c == '"')
        state->quoted = true;
    else if (c == '[') {
        state->brackets = true;
        state->bracket_at = at;
    } else if (c == '(' || c == '{')
        state->depth++;
    else if ((c == ')' || c == '}') && state->depth > 0)
        state->depth--;
    return 1;
}

static bool
is_open(const scanner *state)
{
    return state->quoted || state->brackets || state->depth > 0;
}

/* Length up to a bare stop, or size. */
static size_t
span_to(const char *text, size_t size, char stop)
{
    scanner state = {0};
    bool bare;
    for (size_t at = 0; at < size; at += scan(&state, text, at, &bare))
        if (text[at] == stop && !is_open(&state))
            return at;
    return size;
}

size_t
walrow__patterns_span(const char *text, char stop)
{
    return span_to(text, strlen(text), stop);
}

static pattern_kind
kind_of(const char *text)
{
    scanner state = {0};
    pattern_kind kind = EXACT;
    bool bare;
    for (size_t at = 0; text[at] != '\0';) {
        bool quoted = state.quoted;
        char c = text[at];
        if (!quoted && strchr("+[](){}|^$\\", c) != NULL)
            return REGEX;
        if (!quoted && (c == '*' || c == '?'))
            kind = GLOB;
        at += scan(&state, text, at, &bare);
    }
    return kind;
}

/* Position of the dot between schema and table; size if there is none, with *any_dot whether some dot is
 * there. */
static size_t
find_separator(const char *text, size_t size, pattern_kind kind, bool *any_dot)
{
    scanner state = {0};
    bool bare;
    *any_dot = false;
    for (size_t at = 0; at < size;) {
        size_t here = at;
        bool quoted = state.quoted;
        at += scan(&state, text, at, &bare);
        bool escaped = at - here == 2 && text[here] == '\\';
        char c = escaped ? text[here + 1] : text[here];
        if (quoted || c != '.')
            continue;
        *any_dot = true;
        bool quantified = kind == REGEX && at < size && strchr("*+?{", text[at]) != NULL;
        bool between = here > 0 && at < size;
        return bare && !escaped && !quantified && between ? here : size;
    }
    return size;
}

/* ---- making regular expressions ---- */

static void
add_escaped(walrow__strbuf *out, char c)
{
    if (strchr("\\^$.[]|()?*+{}#-", c) != NULL && c != '\0')
        walrow__strbuf_add_char(out, '\\');
    walrow__strbuf_add_char(out, c);
}

/* One part of a pattern as a regular expression. */
static void
add_part(walrow__strbuf *out, const char *text, size_t size, pattern_kind kind)
{
    scanner state = {0};
    bool bare;
    for (size_t at = 0; at < size;) {
        size_t here = at;
        bool quoted = state.quoted;
        at += scan(&state, text, at, &bare);
        char c = text[here];
        if (quoted != state.quoted)
            continue; /* the quote itself */
        if (quoted)   /* a doubled quote is one */
            add_escaped(out, c);
        else if (kind == REGEX)
            walrow__strbuf_add(out, text + here, at - here);
        else if (c == '*')
            walrow__strbuf_add_text(out, ".*");
        else if (c == '?')
            walrow__strbuf_add_char(out, '.');
        else
            add_escaped(out, c);
    }
}

static walrow_code
fail_pattern(const char *text, const char *why, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_USAGE, "table pattern \"%s\": %s", text, why);
}

static walrow_code
compile(const char *text, walrow__strbuf *source, pcre2_code **out, walrow_error *err)
{
    int number;
    PCRE2_SIZE at;
    if (source->failed)
        return walrow__fail_memory(err);
    *out = pcre2_compile((PCRE2_SPTR)walrow__strbuf_text(source), source->size,
                         PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
                             PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                         &number, &at, NULL);
    if (*out != NULL)
        return WALROW_OK;
    char why[200];
    pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof why);
    fail_pattern(text, why, err);
    if (text[0] == '*')
        return walrow__hint(
            err, "it has more special characters than * and ?, so it is a regular expression, where any "
                 "schema is written .*\\. as in \".*\\.user_[0-9]+\"");
    return walrow__hint(
        err, "it is read as a regular expression because of its special characters; \\ takes a special "
             "character's meaning away, and a \"quoted name\" is taken as it is");
}

typedef struct part {
    const char *text;
    size_t size;
} part;

/* schema: that of the first alternative, for those without a dot. */
static walrow_code
add_alternative(pattern *pattern, part whole, part *schema, walrow_error *err)
{
    bool any_dot;
    size_t dot = find_separator(whole.text, whole.size, pattern->kind, &any_dot);
    bool has_separator = dot < whole.size;
    part table = whole;
    if (has_separator) {
        table = (part){whole.text + dot + 1, whole.size - dot - 1};
        *schema = (part){whole.text, dot};
    }

    alternative added = {0};
    walrow__strbuf source;
    walrow__strbuf_init(&source);
    if (has_separator || (!any_dot && schema->text != NULL)) {
        added.split = true;
        add_part(&source, schema->text, schema->size, pattern->kind);
    } else if (!any_dot) {
        added.split = added.unqualified = true;
        walrow__strbuf_add_text(&source, "[^\\x00]*");
    }
    if (added.split)
        walrow__strbuf_add_text(&source, "\\x00");
    add_part(&source, table.text, table.size, pattern->kind);
    walrow_code code = compile(pattern->text, &source, &added.code, err);
    walrow__strbuf_release(&source);
    WALROW_TRY(code);

    alternative *grown = realloc(pattern->alternatives, (pattern->n_alternatives + 1) * sizeof *grown);
    if (grown == NULL) {
        pcre2_code_free(added.code);
        return walrow__fail_memory(err);
    }
    pattern->alternatives = grown;
    grown[pattern->n_alternatives++] = added;
    return WALROW_OK;
}

static walrow_code
check_text(const pattern *pattern, walrow_error *err)
{
    const char *text = pattern->text;
    scanner state = {0};
    bool bare, any_dot;
    size_t size = strlen(text);
    if (size == 0)
        return fail_pattern(text, "it is empty", err);
    for (size_t at = 0; at < size;)
        at += scan(&state, text, at, &bare);
    if (state.quoted) {
        fail_pattern(text, "a quote is not closed", err);
        return walrow__hint(
            err, "close it, or write a name with such a character in double quotes: \"public\".\"odd(name\"");
    }
    if (state.brackets || state.depth > 0) {
        fail_pattern(text, "a bracket is not closed", err);
        return walrow__hint(
            err, "close it, or write a name with such a character in double quotes: \"public\".\"odd(name\"");
    }
    size_t dot = find_separator(text, size, pattern->kind, &any_dot);
    if (pattern->kind != REGEX && any_dot && dot == size) {
        fail_pattern(text, "a name is missing before or after the dot", err);
        return walrow__hint(err, "* stands for any schema or any table: \"*.orders\", \"public.*\", \"*.*\"");
    }
    return WALROW_OK;
}

static walrow_code
compile_pattern(pattern *pattern, walrow_error *err)
{
    WALROW_TRY(check_text(pattern, err));
    const char *rest = pattern->text;
    part schema = {0};
    for (;;) {
        part whole = {rest, strlen(rest)};
        if (pattern->kind == REGEX)
            whole.size = span_to(rest, whole.size, '|');
        WALROW_TRY(add_alternative(pattern, whole, &schema, err));
        if (rest[whole.size] == '\0')
            return WALROW_OK;
        rest += whole.size + 1;
    }
}

/* ---- parsing ---- */

static part
trim(part text)
{
    while (text.size > 0 && isspace((unsigned char)text.text[0]))
        text = (part){text.text + 1, text.size - 1};
    while (text.size > 0 && isspace((unsigned char)text.text[text.size - 1]))
        text.size--;
    return text;
}

static walrow_code
add_pattern(walrow_patterns *patterns, part text, walrow_error *err)
{
    pattern *items = realloc(patterns->items, (patterns->count + 1) * sizeof *items);
    if (items == NULL)
        return walrow__fail_memory(err);
    patterns->items = items;

    text = trim(text);
    bool excludes = text.size > 0 && text.text[0] == '!';
    if (excludes)
        text = trim((part){text.text + 1, text.size - 1});
    pattern *added = &items[patterns->count];
    *added = (pattern){.text = strndup(text.text, text.size), .excludes = excludes};
    if (added->text == NULL)
        return walrow__fail_memory(err);
    patterns->count++; /* from here on freed with the rest */
    added->kind = kind_of(added->text);
    return compile_pattern(added, err);
}

static walrow_code
add_list(walrow_patterns *patterns, const char *text, walrow_error *err)
{
    if (trim((part){text, strlen(text)}).size == 0)
        return WALROW_OK;
    for (;;) {
        size_t size = span_to(text, strlen(text), ',');
        WALROW_TRY(add_pattern(patterns, (part){text, size}, err));
        if (text[size] == '\0')
            return WALROW_OK;
        text += size + 1;
    }
}

walrow_code
walrow__patterns_parse_list(const walrow__texts *texts, const char *const *search_path, walrow_patterns **out,
                            walrow_error *err)
{
    static const char *const default_path[] = {"public", NULL};
    walrow_patterns *patterns = calloc(1, sizeof *patterns);
    if (patterns == NULL)
        return walrow__fail_memory(err);

    walrow_code code = WALROW_OK;
    for (const char *const *schema = search_path == NULL ? default_path : search_path; *schema != NULL;
         schema++)
        if (!walrow__texts_add(&patterns->search_path, *schema))
            code = walrow__fail_memory(err);
    for (size_t i = 0; i < texts->count && code == WALROW_OK; i++)
        code = add_list(patterns, texts->items[i], err);
    if (code != WALROW_OK)
        walrow_patterns_free(patterns);
    else
        *out = patterns;
    return code;
}

walrow_code
walrow_patterns_parse(const char *text, const char *const *search_path, walrow_patterns **out,
                      walrow_error *err)
{
    char *items[1] = {(char *)text};
    walrow__texts texts = {.items = items, .count = text == NULL ? 0 : 1};
    return walrow__patterns_parse_list(&texts, search_path, out, err);
}

void
walrow_patterns_free(walrow_patterns *patterns)
{
    if (patterns == NULL)
        return;
    for (size_t i = 0; i < patterns->count; i++) {
        pattern *item = &patterns->items[i];
        for (size_t j = 0; j < item->n_alternatives; j++)
            pcre2_code_free(item->alternatives[j].code);
        free(item->alternatives);
        free(item->text);
    }
    free(patterns->items);
    walrow__texts_release(&patterns->search_path);
    free(patterns);
}

/* ---- matching ---- */

/* Schemas that only a pattern with their name in it reaches; PostgreSQL reserves "pg_". Temporary ones are
 * not among them. */
static bool
is_system(const char *schema)
{
    if (strcmp(schema, "information_schema") == 0)
        return true;
    return strncmp(schema, "pg_", 3) == 0 && strncmp(schema, "pg_temp_", 8) != 0;
}

static bool
run(const pcre2_code *code, const char *subject, size_t size)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (data == NULL)
        return false;
    int count = pcre2_match(code, (PCRE2_SPTR)subject, size, 0, 0, data, NULL);
    pcre2_match_data_free(data);
    return count >= 0;
}

bool
walrow__patterns_match_one_visible(const walrow_patterns *patterns, size_t i, const char *schema,
                                   const char *table, bool visible)
{
    const pattern *pattern = &patterns->items[i];
    if (is_system(schema) && strstr(pattern->text, schema) == NULL)
        return false;

    char subject[2 * MAX_NAME + 1];
    size_t schema_size = strnlen(schema, MAX_NAME), table_size = strnlen(table, MAX_NAME);
    memcpy(subject, schema, schema_size);
    memcpy(subject + schema_size + 1, table, table_size);
    for (size_t j = 0; j < pattern->n_alternatives; j++) {
        const alternative *each = &pattern->alternatives[j];
        if (each->unqualified && !visible)
            continue;
        subject[schema_size] = each->split ? '\0' : '.';
        if (run(each->code, subject, schema_size + 1 + table_size))
            return true;
    }
    return false;
}

bool
walrow__patterns_match_visible(const walrow_patterns *patterns, const char *schema, const char *table,
                               bool visible)
{
    bool any_include = false, included = false;
    for (size_t i = 0; i < patterns->count; i++) {
        const pattern *pattern = &patterns->items[i];
        any_include = any_include || !pattern->excludes;
        if (!pattern->excludes && included)
            continue;
        if (!walrow__patterns_match_one_visible(patterns, i, schema, table, visible))
            continue;
        if (pattern->excludes)
            return false;
        included = true;
    }
    if (any_include)
        return included;
    return !is_system(schema) && strncmp(schema, "pg_temp_", 8) != 0; /* every user table */
}

bool
walrow_patterns_match(const walrow_patterns *patterns, const char *schema, const char *table)
{
    return walrow__patterns_match_visible(patterns, schema, table,
                                          walrow__texts_has(&patterns->search_path, schema));
}

/* ---- asking about patterns ---- */

const char *const *
walrow__patterns_search_path(const walrow_patterns *patterns)
{
    static const char *const empty[] = {NULL};
    return patterns->search_path.count == 0 ? empty : (const char *const *)patterns->search_path.items;
}

size_t
walrow__patterns_count(const walrow_patterns *patterns)
{
    return patterns->count;
}

const char *
walrow__patterns_text(const walrow_patterns *patterns, size_t i)
{
    return patterns->items[i].text;
}

bool
walrow__patterns_excludes(const walrow_patterns *patterns, size_t i)
{
    return patterns->items[i].excludes;
}

bool
walrow__patterns_is_exact(const walrow_patterns *patterns, size_t i)
{
    return patterns->items[i].kind == EXACT;
}

/* A schema written plainly: without special characters; its quotes removed. */
static char *
plain_name(const char *text, size_t size)
{
    char *name = malloc(size + 1);
    size_t used = 0;
    if (name == NULL)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"' && (i + 1 >= size || text[i + 1] != '"'))
            continue;
        i += text[i] == '"';
        name[used++] = text[i];
    }
    name[used] = '\0';
    return name;
}

bool
walrow__patterns_wide(const walrow_patterns *patterns, bool *all, walrow__texts *schemas)
{
    *all = patterns->count == 0;
    for (size_t i = 0; i < patterns->count; i++) {
        const pattern *pattern = &patterns->items[i];
        bool any_dot;
        size_t size = strlen(pattern->text);
        size_t dot = find_separator(pattern->text, size, pattern->kind, &any_dot);
        if (pattern->excludes || pattern->kind != GLOB || strcmp(pattern->text + dot, ".*") != 0)
            return false;
        char *name = plain_name(pattern->text, dot);
        if (name == NULL)
            return false;
        bool is_any = strcmp(name, "*") == 0;
        bool is_plain = name[0] != '\0' && strpbrk(name, "*?") == NULL;
        bool ok = is_any || (is_plain && walrow__texts_add(schemas, name));
        free(name);
        if (!ok)
            return false;
        *all = *all || is_any;
    }
    return true;
}
