#include "sink/params.h"

#include "base/error.h"
#include "base/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
walrow__percent_decode(char *text)
{
    char *to = text;
    for (const char *at = text; *at != '\0'; at++, to++) {
        if (*at != '%') {
            *to = *at;
            continue;
        }
        int high = hex_digit(at[1]);
        int low = high < 0 ? -1 : hex_digit(at[2]);
        if (low < 0 || (high | low) == 0)
            return false;
        *to = (char)(high << 4 | low);
        at += 2;
    }
    *to = '\0';
    return true;
}

static walrow_code
fail_unknown(const char *uri, const char *name, const walrow__param *params, size_t n, walrow_error *err)
{
    char names[480] = "";
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i == 0 ? "" : ", ", params[i].name);
    }
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\" has no parameter \"%s\"", uri, name);
    if (n == 0)
        walrow__hint(err, "this sink takes no parameters but tables and events, as all do");
    else
        walrow__hint(err, "its parameters are %s; and tables and events, as of all sinks", names);
    return WALROW_ERR_USAGE;
}

static walrow_code
fail_value(const char *uri, const walrow__param *param, const char *value, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": parameter %s cannot be \"%s\"", uri, param->name,
                 value);
    if (param->kind == WALROW__PARAM_WORD)
        walrow__hint(err, "it can be: %s", param->word);
    else if (param->kind == WALROW__PARAM_SWITCH)
        walrow__hint(err, "write on or off");
    else if (param->kind == WALROW__PARAM_TEXT || param->kind == WALROW__PARAM_DOTTED)
        walrow__hint(err, "percent-encode what is not plain in a URI, and do not leave it empty");
    else if (param->kind == WALROW__PARAM_SIZE)
        walrow__hint(err, "write a size such as 128MB (B, kB, MB, GB, TB), at least %" PRId64, param->min);
    else
        walrow__hint(err, "write a whole number from %" PRId64 " to %" PRId64, param->min, param->max);
    return WALROW_ERR_USAGE;
}

static bool
keep_text(const walrow__param *param, const char *text)
{
    free(*param->text);
    *param->text = *text == '\0' ? NULL : strdup(text);
    return *param->text != NULL;
}

static bool
read_switch(const walrow__param *param, const char *text)
{
    bool is_on;
    if (!walrow__parse_bool(text, &is_on))
        return false;
    *param->value = is_on;
    return true;
}

static bool
keep_dotted(const walrow__param *param, const char *name, const char *text)
{
    char *pair;
    if (asprintf(&pair, "%s=%s", name, text) < 0)
        return false;
    bool kept = walrow__texts_add(param->texts, pair);
    free(pair);
    return kept;
}

static bool
read_value(const walrow__param *param, const char *name, const char *text)
{
    int64_t value = 1;
    switch (param->kind) {
    case WALROW__PARAM_DOTTED:
        return keep_dotted(param, name, text);
    case WALROW__PARAM_TEXT:
        return keep_text(param, text);
    case WALROW__PARAM_SWITCH:
        return read_switch(param, text);
    case WALROW__PARAM_WORD:
        if (strcmp(text, param->word) != 0)
            return false;
        break;
    case WALROW__PARAM_SIZE:
        if (!walrow__parse_size(text, &value))
            return false;
        break;
    case WALROW__PARAM_COUNT:
        if (!walrow__parse_int(text, &value))
            return false;
        break;
    }
    if (param->kind != WALROW__PARAM_WORD && (value < param->min || value > param->max))
        return false;
    *param->value = (uint64_t)value;
    return true;
}

static walrow_code
read_pair(const char *uri, char *pair, const walrow__param *params, size_t n, walrow_error *err)
{
    char *value = strchr(pair, '=');
    if (value != NULL)
        *value++ = '\0';
    for (size_t i = 0; i < n; i++) {
        if (params[i].kind == WALROW__PARAM_DOTTED ? strchr(pair, '.') == NULL
                                                   : strcmp(pair, params[i].name) != 0)
            continue;
        if (value == NULL || !walrow__percent_decode(value) || !read_value(&params[i], pair, value))
            return fail_value(uri, &params[i], value == NULL ? "" : value, err);
        return WALROW_OK;
    }
    return fail_unknown(uri, pair, params, n, err);
}

walrow_code
walrow__params_parse(const char *uri, const char *text, const walrow__param *params, size_t n,
                     walrow_error *err)
{
    char *copy = strdup(text == NULL ? "" : text);
    if (copy == NULL)
        return walrow__fail_memory(err);
    walrow_code code = WALROW_OK;
    char *rest = copy, *pair;
    while (code == WALROW_OK && (pair = strsep(&rest, "&")) != NULL)
        if (*pair != '\0')
            code = read_pair(uri, pair, params, n, err);
    free(copy);
    return code;
}
