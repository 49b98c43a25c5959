/*
 * base/config.c
 *	  Options from a YAML file: a mapping of their names to values, or to lists of values for those that may be
 *	  repeated. The option table is the only schema, so libyaml's document is enough.
 */
#include "base/error.h"
#include "base/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct config {
    const char *path;
    yaml_document_t *document;
    walrow_options *options; /* gets what is not set yet */
    walrow_options *ignored; /* gets the rest: what the command line overrides must be right, too */
} config;

/* The line is YAML's own, from 0. */
static walrow_code
fail_at(const config *c, size_t line, walrow_error *err, const char *what)
{
    return walrow__fail(err, WALROW_ERR_USAGE, "%s, line %zu: %s", c->path, line + 1, what);
}

/* The message of an option's own error, with the place in front of it. */
static walrow_code
add_place(const config *c, const yaml_node_t *node, walrow_error *err)
{
    walrow_error plain;
    if (err == NULL)
        return WALROW_ERR_USAGE;
    plain = *err;
    fail_at(c, node->start_mark.line, err, plain.message);
    memcpy(err->hint, plain.hint, sizeof err->hint);
    return plain.code;
}

/* The text of a scalar; NULL: it is none, or has a NUL in it. */
static const char *
scalar_text(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

static bool
is_empty(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
           node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static walrow_code
take_value(const config *c, walrow_options *target, const char *name, const yaml_node_t *value,
           walrow_error *err)
{
    char what[128];
    const char *text = scalar_text(value);
    snprintf(what, sizeof what, "\"%s\" needs %s", name, text == NULL ? "a plain value" : "a value");
    if (text == NULL || is_empty(value))
        return fail_at(c, value->start_mark.line, err, what);
    if (walrow_options_set(target, name, text, err) != WALROW_OK)
        return add_place(c, value, err);
    return WALROW_OK;
}

static walrow_code
take_list(const config *c, walrow_options *target, const walrow_option_info *info, const yaml_node_t *list,
          walrow_error *err)
{
    char what[128];
    snprintf(what, sizeof what, "\"%s\" takes one value, not a list", info->name);
    if (!info->repeatable)
        return fail_at(c, list->start_mark.line, err, what);
    const yaml_node_item_t *item = list->data.sequence.items.start;
    for (; item < list->data.sequence.items.top; item++)
        WALROW_TRY(take_value(c, target, info->name, yaml_document_get_node(c->document, *item), err));
    return WALROW_OK;
}

/* The option a key names. It must be new: a value that is lost without a word is not what was meant. */
static walrow_code
find_option(const config *c, const yaml_node_t *key, bool *seen, const walrow_option_info **out,
            walrow_error *err)
{
    size_t n, at = 0;
    char what[128];
    const char *name = scalar_text(key);
    const walrow_option_info *infos = walrow_option_table(&n);
    if (name == NULL)
        return fail_at(c, key->start_mark.line, err, "an option's name is expected here");
    while (at < n && strcmp(infos[at].name, name) != 0)
        at++;
    if (at == n && walrow_options_set(c->ignored, name, "", err) != WALROW_OK) /* says which is nearest */
        return add_place(c, key, err);
    snprintf(what, sizeof what,
             strcmp(name, "config") == 0 ? "a file cannot name another" : "\"%s\" comes twice", name);
    if (seen[at] || strcmp(name, "config") == 0)
        return fail_at(c, key->start_mark.line, err, what);
    seen[at] = true;
    *out = &infos[at];
    return WALROW_OK;
}

static walrow_code
take_mapping(const config *c, const yaml_node_t *mapping, walrow_error *err)
{
    bool seen[WALROW__MAX_OPTIONS] = {false};
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *value = yaml_document_get_node(c->document, pair->value);
        const walrow_option_info *info = NULL;
        WALROW_TRY(find_option(c, yaml_document_get_node(c->document, pair->key), seen, &info, err));
        walrow_options *target = walrow__options_is_set(c->options, info->name) ? c->ignored : c->options;
        if (value->type == YAML_SEQUENCE_NODE)
            WALROW_TRY(take_list(c, target, info, value, err));
        else
            WALROW_TRY(take_value(c, target, info->name, value, err));
    }
    return WALROW_OK;
}

/* An empty file, or one of comments only, sets nothing. */
static walrow_code
take_document(const config *c, walrow_error *err)
{
    const yaml_node_t *root = yaml_document_get_root_node(c->document);
    if (root == NULL || is_empty(root))
        return WALROW_OK;
    if (root->type == YAML_MAPPING_NODE)
        return take_mapping(c, root, err);
    fail_at(c, root->start_mark.line, err, "this is not a list of options");
    return walrow__hint(err, "write a line for each, as in \"slot: walrow\"; \"to:\" takes a list");
}

static walrow_code
load_document(const config *c, yaml_parser_t *parser, yaml_document_t *out, walrow_error *err)
{
    if (yaml_parser_load(parser, out))
        return WALROW_OK;
    if (parser->error == YAML_MEMORY_ERROR)
        return walrow__fail_memory(err);
    return fail_at(c, parser->problem_mark.line, err, parser->problem == NULL ? "not YAML" : parser->problem);
}

/* A second document would be lost without a word. */
static walrow_code
require_end(const config *c, yaml_parser_t *parser, walrow_error *err)
{
    yaml_document_t more;
    WALROW_TRY(load_document(c, parser, &more, err));
    const yaml_node_t *root = yaml_document_get_root_node(&more);
    walrow_code code = root == NULL
                           ? WALROW_OK
                           : fail_at(c, root->start_mark.line, err, "a second document begins before this");
    yaml_document_delete(&more);
    return code;
}

static walrow_code
parse_file(config *c, FILE *file, walrow_error *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return walrow__fail_memory(err);
    yaml_parser_set_input_file(&parser, file);
    walrow_code code = load_document(c, &parser, &document, err);
    if (code == WALROW_OK) {
        c->document = &document;
        code = take_document(c, err);
        yaml_document_delete(&document);
    }
    if (code == WALROW_OK)
        code = require_end(c, &parser, err);
    yaml_parser_delete(&parser);
    return code;
}

walrow_code
walrow_options_file(walrow_options *options, const char *path, walrow_error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return walrow__fail_errno(err, WALROW_ERR_USAGE, errno, "cannot read the configuration %s", path);
    config c = {.path = path, .options = options};
    walrow_code code = walrow_options_new(&c.ignored, err);
    if (code == WALROW_OK)
        code = parse_file(&c, file, err);
    walrow_options_free(c.ignored);
    fclose(file);
    return code;
}
