#include "sink/redis/settings.h"

#include "base/error.h"
#include "base/files.h"
#include "base/parse.h"
#include "sink/params.h"
#include "sink/redis/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PORT = 6379, MAX_PORT = 65535, MAX_DB = 1000000 };

static const char default_key[] = "{table}:{key}";
static const char default_channel[] = "walrow:{schema}.{table}";

/* ---- where it is ---- */

static walrow_code
fail_place(const char *uri, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\" is not redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]", uri);
    return walrow__hint(err,
                        "percent-encode what is special in a URI, such as \"@\" and \"/\" in a password; "
                        "rediss:// is for TLS");
}

/* Empty: what *out is. */
static bool
read_number(const char *text, int64_t most, int64_t *out)
{
    return *text == '\0' || (walrow__parse_int(text, out) && *out >= 0 && *out <= most);
}

/* "host:port", "[::1]:port", or a socket's path; in place. */
static bool
split_host(char *text, char **host, char **port)
{
    char *end = *text == '[' ? strchr(text, ']') : text + strcspn(text, ":");
    if (end == NULL)
        return false;
    *host = *text == '[' ? text + 1 : text;
    if (*end == ']')
        *end++ = '\0';
    if (*end != '\0' && *end != ':')
        return false;
    *port = *end == ':' ? end + 1 : end;
    *end = '\0';
    return walrow__percent_decode(*host);
}

/* Both may be absent: "user@" has its password in a file. */
static bool
split_user(char *text, char **user, char **password)
{
    *user = text;
    *password = strchr(text, ':');
    if (*password != NULL)
        *(*password)++ = '\0';
    return walrow__percent_decode(*user) && (*password == NULL || walrow__percent_decode(*password));
}

static walrow_code
keep(walrow__redis_settings *settings, const char *host, const char *user, const char *password,
     walrow_error *err)
{
    int made;
    settings->host = strdup(*host == '\0' ? "localhost" : host);
    if (*user != '\0')
        settings->user = strdup(user);
    if (password != NULL)
        settings->password = strdup(password);
    if (settings->host == NULL || (*user != '\0' && settings->user == NULL) ||
        (password != NULL && settings->password == NULL))
        return walrow__fail_memory(err);
    if (settings->host[0] == '/')
        made = asprintf(&settings->place, "%s", settings->host);
    else
        made = asprintf(&settings->place, "%s:%d", settings->host, settings->port);
    if (made >= 0)
        return WALROW_OK;
    settings->place = NULL;
    return walrow__fail_memory(err);
}

static walrow_code
read_place(walrow__redis_settings *settings, const char *uri, char *text, walrow_error *err)
{
    static char nobody[] = "";
    char *host, *port, *user = nobody, *password = NULL;
    int64_t number = DEFAULT_PORT;
    char *at = strrchr(text, '@');
    char *db = strchr(at == NULL ? text : at, '/');
    if (db != NULL)
        *db++ = '\0';
    if (at != NULL)
        *at = '\0';
    if ((at != NULL && !split_user(text, &user, &password)) ||
        !split_host(at == NULL ? text : at + 1, &host, &port) || !read_number(port, MAX_PORT, &number) ||
        !read_number(db == NULL ? "" : db, MAX_DB, &settings->db))
        return fail_place(uri, err);
    settings->port = (int)number;
    return keep(settings, host, user, password, err);
}

static walrow_code
read_path(walrow__redis_settings *settings, const char *uri, const char *path, walrow_error *err)
{
    if (strncmp(path, "//", 2) != 0)
        return fail_place(uri, err);
    settings->has_tls = strncmp(uri, "rediss:", 7) == 0;
    char *copy = strdup(path + 2);
    walrow_code code = copy == NULL ? walrow__fail_memory(err) : read_place(settings, uri, copy, err);
    free(copy);
    return code;
}

/* ---- parameters ---- */

static walrow_code
read_action(walrow__redis_settings *settings, const char *uri, const char *name, walrow_error *err)
{
    static const char *const names[] = {
        [WALROW__REDIS_UNLINK] = "unlink",
        [WALROW__REDIS_DEL] = "del",
        [WALROW__REDIS_PUBLISH] = "publish",
        [WALROW__REDIS_SET] = "set",
    };
    for (size_t i = 0; name != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            settings->action = (walrow__redis_action)i;
            return WALROW_OK;
        }
    if (name == NULL)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": unknown command \"%s\"", uri, name);
    return walrow__hint(err, "commands are unlink, del, publish and set");
}

static walrow_code
read_truncate(walrow__redis_settings *settings, const char *uri, const char *name, walrow_error *err)
{
    settings->scans = name != NULL && strcmp(name, "scan") == 0;
    if (name == NULL || settings->scans || strcmp(name, "warn") == 0)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": parameter truncate cannot be \"%s\"", uri, name);
    return walrow__hint(err, "it can be: warn, scan");
}

/* What should not be seen in a list of processes or sinks: the first line. */
static walrow_code
read_password(walrow__redis_settings *settings, const char *uri, const char *file, walrow_error *err)
{
    size_t size;
    if (file == NULL)
        return WALROW_OK;
    free(settings->password);
    settings->password = NULL;
    WALROW_TRY(walrow__files_read(file, &settings->password, &size, err));
    if (settings->password == NULL)
        return walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": there is no file \"%s\"", uri, file);
    settings->password[strcspn(settings->password, "\r\n")] = '\0';
    return WALROW_OK;
}

typedef struct words {
    char *action, *truncate, *password_file;
} words;

static walrow_code
read_params(walrow__redis_settings *settings, const char *uri, const char *params, words *words,
            walrow_error *err)
{
    const walrow__param known[] = {
        {.name = "command", .kind = WALROW__PARAM_TEXT, .text = &words->action},
        {.name = "key", .kind = WALROW__PARAM_TEXT, .text = &settings->key},
        {.name = "channel", .kind = WALROW__PARAM_TEXT, .text = &settings->channel},
        {.name = "ttl_s", .min = 1, .max = INT32_MAX, .value = &settings->ttl_s},
        {.name = "truncate", .kind = WALROW__PARAM_TEXT, .text = &words->truncate},
        {.name = "timeout_s", .min = 1, .max = 600, .value = &settings->timeout_s},
        {.name = "password_file", .kind = WALROW__PARAM_TEXT, .text = &words->password_file},
        {.name = "tls_verify", .kind = WALROW__PARAM_SWITCH, .value = &settings->tls_verify},
        {.name = "tls_ca", .kind = WALROW__PARAM_TEXT, .text = &settings->tls_ca},
        {.name = "tls_cert", .kind = WALROW__PARAM_TEXT, .text = &settings->tls_cert},
        {.name = "tls_key", .kind = WALROW__PARAM_TEXT, .text = &settings->tls_key},
        {.name = "key.SCHEMA.TABLE", .kind = WALROW__PARAM_DOTTED, .texts = &settings->table_keys},
    };
    settings->timeout_s = 30;
    settings->tls_verify = 1;
    WALROW_TRY(walrow__params_parse(uri, params, known, sizeof known / sizeof *known, err));
    if (settings->key == NULL)
        settings->key = strdup(default_key);
    if (settings->channel == NULL)
        settings->channel = strdup(default_channel);
    return settings->key == NULL || settings->channel == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

/* ---- what goes together ---- */

static walrow_code
check_template(const char *uri, const char *template, bool with_columns, walrow_error *err)
{
    if (walrow__redis_template_is_valid(template, with_columns))
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": \"%s\" is no template", uri, template);
    return walrow__hint(
        err, with_columns ? "write app:{table}:{id}: {schema}, {table}, {key}, key columns; braces "
                            "themselves are {{ and }}"
                          : "a channel has {schema} and {table} only; braces themselves are {{ and }}");
}

static walrow_code
check_table_keys(const walrow__redis_settings *settings, const char *uri, walrow_error *err)
{
    for (size_t i = 0; i < settings->table_keys.count; i++) {
        const char *pair = settings->table_keys.items[i];
        if (strncmp(pair, "key.", 4) != 0) {
            walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\" has no parameter \"%.*s\"", uri,
                         (int)strcspn(pair, "="), pair);
            return walrow__hint(err, "with a dot there is key.SCHEMA.TABLE=TEMPLATE");
        }
        WALROW_TRY(check_template(uri, strchr(pair, '=') + 1, true, err));
    }
    return WALROW_OK;
}

static walrow_code
fail_together(const char *uri, const char *what, const char *hint, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": %s", uri, what);
    return walrow__hint(err, "%s", hint);
}

static walrow_code
check(const walrow__redis_settings *settings, const char *uri, walrow_error *err)
{
    WALROW_TRY(check_template(uri, settings->key, true, err));
    WALROW_TRY(check_template(uri, settings->channel, false, err));
    WALROW_TRY(check_table_keys(settings, uri, err));
    if (settings->ttl_s > 0 && settings->action != WALROW__REDIS_SET)
        return fail_together(uri, "ttl_s is of values, and only command=set writes some", "leave it out",
                             err);
    if (settings->user != NULL && settings->password == NULL)
        return fail_together(uri, "a user without a password", "write USER:PASSWORD@, or :PASSWORD@", err);
    if ((settings->tls_cert == NULL) != (settings->tls_key == NULL))
        return fail_together(uri, "tls_cert and tls_key go together", "name both files, or neither", err);
    if (!settings->has_tls && (settings->tls_cert != NULL || settings->tls_ca != NULL))
        return fail_together(uri, "redis:// has no TLS", "write rediss://", err);
    return WALROW_OK;
}

walrow_code
walrow__redis_settings_parse(walrow__redis_settings *settings, const char *uri, const char *path,
                             const char *params, walrow_error *err)
{
    words words = {0};
    memset(settings, 0, sizeof *settings);
    walrow_code code = read_path(settings, uri, path, err);
    if (code == WALROW_OK)
        code = read_params(settings, uri, params, &words, err);
    if (code == WALROW_OK)
        code = read_action(settings, uri, words.action, err);
    if (code == WALROW_OK)
        code = read_truncate(settings, uri, words.truncate, err);
    if (code == WALROW_OK)
        code = read_password(settings, uri, words.password_file, err);
    if (code == WALROW_OK)
        code = check(settings, uri, err);
    free(words.action);
    free(words.truncate);
    free(words.password_file);
    return code;
}

void
walrow__redis_settings_release(walrow__redis_settings *settings)
{
    char *texts[] = {settings->host,    settings->user,   settings->password, settings->place,  settings->key,
                     settings->channel, settings->tls_ca, settings->tls_cert, settings->tls_key};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    walrow__texts_release(&settings->table_keys);
    memset(settings, 0, sizeof *settings);
}

const char *
walrow__redis_settings_key(const walrow__redis_settings *settings, const char *schema_name,
                           const char *table_name)
{
    size_t schema_size = strlen(schema_name), table_size = strlen(table_name);
    for (size_t i = 0; i < settings->table_keys.count; i++) {
        const char *at = settings->table_keys.items[i] + strlen("key.");
        if (strncmp(at, schema_name, schema_size) == 0 && at[schema_size] == '.' &&
            strncmp(at + schema_size + 1, table_name, table_size) == 0 &&
            at[schema_size + 1 + table_size] == '=')
            return at + schema_size + table_size + 2;
    }
    return settings->key;
}
