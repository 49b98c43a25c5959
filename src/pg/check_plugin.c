/*
 * pg/check_plugin.c
 *	  The output plugin: whether the server can load it, and trusts it.
 */
#include "pg/check.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const char wal2arrow[] = "wal2arrow";

/* Nothing else will do: the slot was made for it, or --plugin says so. */
static bool
needs_wal2arrow(const walrow__check *check)
{
    if (check->slot.exists)
        return strcmp(check->slot.plugin, wal2arrow) == 0;
    return check->options->plugin == WALROW__PLUGIN_WAL2ARROW;
}

static bool
may_be_wal2arrow(const walrow__check *check)
{
    bool is_auto = !check->slot.exists && check->options->plugin == WALROW__PLUGIN_AUTO;
    return is_auto || needs_wal2arrow(check);
}

/* A slot can be made, so that the server can be asked to load a plugin. */
static bool
can_probe(const walrow__facts *facts)
{
    return strcmp(facts->wal_level, "logical") == 0 && !facts->server.in_recovery &&
           facts->role_may_replicate && facts->used_slots < facts->max_replication_slots;
}

static walrow_code
add_refusal(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__plugin_choice *choice = &check->plugin;
    bool needed = needs_wal2arrow(check);
    walrow__finding finding = {
        .severity = needed ? WALROW_SEVERITY_ERROR : WALROW_SEVERITY_INFO,
        .code = WALROW_ERR_SERVER,
        .object = wal2arrow,
        .current = choice->state == WALROW__PLUGIN_MISSING ? "not installed" : "cannot be loaded",
        .required = needed ? "installed" : "",
        .fix = "make plugin install-plugin",
    };
    if (choice->state == WALROW__PLUGIN_LOADS) { /* it is the publication that asks too much */
        finding.code = WALROW_ERR_PUBLICATION;
        finding.current = "installed";
        finding.required = "";
        finding.fix = needed ? "--plugin pgoutput" : "";
        if (check->slot.exists)
            finding.fix = "--publication of whole tables; or walrow teardown, and begin anew";
    }
    return walrow__check_add(check, id, &finding, err, "%s%s", choice->why,
                             needed ? "" : ": pgoutput is used");
}

/* wal2json is never the one that is chosen: it is asked for. */
static walrow_code
check_wal2json(walrow__check *check, const char *id, walrow_error *err)
{
    char why[160];
    WALROW_TRY(walrow__plugin_probe(check->conn, "wal2json", &check->plugin.state, why, sizeof why, err));
    walrow__plugin_state state = check->plugin.state;
    if (state != WALROW__PLUGIN_MISSING && state != WALROW__PLUGIN_BROKEN)
        return WALROW_OK;
    bool missing = state == WALROW__PLUGIN_MISSING;
    walrow__finding finding = {.severity = WALROW_SEVERITY_ERROR,
                               .code = WALROW_ERR_SERVER,
                               .object = "wal2json",
                               .current = missing ? "not installed" : "cannot be loaded",
                               .required = "installed",
                               .fix = "install wal2json for this server, or leave out --plugin"};
    return walrow__check_add(check, id, &finding, err, "%s",
                             missing ? "wal2json is not installed on the server" : why);
}

static walrow_code
check_plugin(walrow__check *check, const char *id, walrow_error *err)
{
    walrow__plugin_choice *choice = &check->plugin;
    if (check->options->plugin == WALROW__PLUGIN_WAL2JSON && !check->slot.exists && can_probe(&check->facts))
        return check_wal2json(check, id, err);
    if (!may_be_wal2arrow(check) || !can_probe(&check->facts))
        return WALROW_OK;
    WALROW_TRY(walrow__plugin_judge(check->conn, check->options, choice, err));
    if (needs_wal2arrow(check))
        choice->name = wal2arrow;
    if (choice->state == WALROW__PLUGIN_UNTRUSTED)
        return WALROW_OK; /* a finding of its own */
    if (choice->why[0] != '\0')
        return add_refusal(check, id, err);
    if (check->slot.exists)
        return WALROW_OK;
    walrow__finding finding = {.severity = WALROW_SEVERITY_INFO,
                               .code = WALROW_ERR_SERVER,
                               .object = wal2arrow,
                               .current = "installed"};
    return walrow__check_add(check, id, &finding, err, "wal2arrow is installed on the server, and used");
}

/* ---- output_plugin_libraries ---- */

/* Names in the list must stay outside of quotes: a quoted list would be one name. */
static void
list_fix(const walrow__facts *facts, const char *plugin, char *out, size_t size)
{
    if (facts->has_plugin_list)
        snprintf(out, size, "ALTER SYSTEM SET output_plugin_libraries = %s%s%s;%s", facts->plugin_list,
                 facts->plugin_list[0] == '\0' ? "" : ", ", plugin,
                 facts->plugin_list_restart ? "" : " SELECT pg_reload_conf();");
    else
        snprintf(out, size, "let an administrator add %s to output_plugin_libraries, and reload", plugin);
}

static walrow_code
add_untrusted(walrow__check *check, const char *id, const char *plugin, bool needed, walrow_error *err)
{
    const walrow__facts *facts = &check->facts;
    char fix[sizeof facts->plugin_list + 128];
    list_fix(facts, plugin, fix, sizeof fix);
    walrow__finding finding = {
        .severity = needed ? WALROW_SEVERITY_ERROR : WALROW_SEVERITY_INFO,
        .code = WALROW_ERR_SERVER,
        .object = plugin,
        .current = facts->has_plugin_list ? facts->plugin_list : "not shown to this role",
        .required = plugin,
        .fix = fix,
        .restart = facts->plugin_list_restart,
    };
    return walrow__check_add(
        check, id, &finding, err,
        "the server does not trust the output plugin %s: output_plugin_libraries does not "
        "name it%s",
        plugin, needed ? "" : "; pgoutput is used");
}

/* Where the setting is not known or not shown, only having tried tells. */
static bool
is_untrusted(const walrow__check *check, const char *plugin)
{
    if (check->facts.has_plugin_list)
        return !walrow__plugin_list_has(check->facts.plugin_list, plugin);
    bool was_tried = strcmp(plugin, "pgoutput") != 0;
    return was_tried && check->plugin.state == WALROW__PLUGIN_UNTRUSTED;
}

static walrow_code
check_plugin_list(walrow__check *check, const char *id, walrow_error *err)
{
    const char *plugin = check->plugin.name;
    if (may_be_wal2arrow(check) && is_untrusted(check, wal2arrow))
        WALROW_TRY(add_untrusted(check, id, wal2arrow, needs_wal2arrow(check), err));
    if (strcmp(plugin, wal2arrow) != 0 && is_untrusted(check, plugin))
        return add_untrusted(check, id, plugin, true, err);
    return WALROW_OK;
}

const walrow__check_row walrow__plugin_checks[] = {
    {"output-plugin", check_plugin},
    {"output-plugin-libraries", check_plugin_list},
    {NULL, NULL},
};
