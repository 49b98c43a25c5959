#include "command.h"
#include "terminal.h"

#include <stdio.h>

static const char *const severities[] = {"error", "warning", "info"};

static json_t *
findings_json(const walrow_findings *findings)
{
    json_t *list = json_array();
    char version[32];
    snprintf(version, sizeof version, "%d.%d", findings->server_version / 10000,
             findings->server_version % 10000);
    for (size_t i = 0; i < findings->count; i++) {
        const walrow_finding *f = &findings->items[i];
        json_array_append_new(list, json_pack("{ss ss ss ss ss ss ss sb}", "id", f->id, "severity",
                                              severities[f->severity], "object", f->object, "message",
                                              f->message, "current", f->current, "required", f->required,
                                              "fix", f->fix, "restart", f->restart));
    }
    return json_pack("{sb ss so}", "ok", findings->ok, "server_version", version, "findings", list);
}

static void
print_finding(const walrow_finding *f)
{
    printf("%-8s %s%s%s: %s\n", severities[f->severity], f->id, f->object[0] == '\0' ? "" : " ", f->object,
           f->message);
    if (f->severity == WALROW_SEVERITY_INFO && f->fix[0] == '\0')
        return;
    if (f->current[0] != '\0' || f->required[0] != '\0')
        printf("         is: %s   must be: %s\n", f->current, f->required[0] == '\0' ? "-" : f->required);
    if (f->fix[0] != '\0')
        printf("         fix: %s%s\n", f->fix, f->restart ? "   (then restart the server)" : "");
}

static void
print_findings(const walrow_findings *findings)
{
    int counts[3] = {0};
    printf("PostgreSQL %d.%d\n", findings->server_version / 10000, findings->server_version % 10000);
    for (size_t i = 0; i < findings->count; i++) {
        print_finding(&findings->items[i]);
        counts[findings->items[i].severity]++;
    }
    printf("%s: %d error%s, %d warning%s\n", findings->ok ? "ready" : "not ready", counts[0],
           counts[0] == 1 ? "" : "s", counts[1], counts[1] == 1 ? "" : "s");
}

/* Patterns that match nothing are wrong usage; anything else is for the server to mend. */
static int
status_of(const walrow_findings *findings)
{
    walrow_code code = WALROW_OK;
    for (size_t i = 0; i < findings->count; i++) {
        const walrow_finding *f = &findings->items[i];
        if (f->severity == WALROW_SEVERITY_ERROR && code != WALROW_ERR_SERVER)
            code = f->code == WALROW_ERR_USAGE ? WALROW_ERR_USAGE : WALROW_ERR_SERVER;
    }
    return walrow_code_exit_status(code);
}

int
run_check(const command_line *line)
{
    walrow_error err = {0};
    walrow_findings findings = {0};
    if (walrow_check(line->options, &findings, &err) != WALROW_OK)
        return terminal_fail(&err);
    int status = status_of(&findings);
    if (terminal_flag(line->options, "json")) {
        int printed = terminal_json(findings_json(&findings));
        status = printed != 0 ? printed : status;
    } else {
        print_findings(&findings);
    }
    walrow_findings_release(&findings);
    return status;
}
