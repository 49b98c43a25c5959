#include "sink/redis/errors.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What an error of Redis begins with (its documentation, "Redis serialization protocol", and server.c). */
static const struct {
    const char *start;
    bool passes;
    const char *way_out;
} refusals[] = {
    {"LOADING", true, "it reads its data, and answers when that is done"},
    {"BUSY", true, "a script takes long in it: SCRIPT KILL ends that"},
    {"MASTERDOWN", true, "this is a replica that lost its primary"},
    {"READONLY", true, "this is a replica: name the primary, or a name that follows it"},
    {"MISCONF", true, "it cannot save its data: see its log"},
    {"NOREPLICAS", true, "it wants more replicas than it has: see min-replicas-to-write"},
    {"OOM", true, "it has no memory left: raise maxmemory, or choose a maxmemory-policy that evicts"},
    {"TRYAGAIN", true, "its cluster moves keys"},
    {"CLUSTERDOWN", true, "see CLUSTER INFO"},
    {"ERR max number of clients", true, "raise maxclients"},
    {"MOVED", false, "this is one node of a cluster: put a proxy in front of it, or use command=publish"},
    {"NOAUTH", false, "write redis://:PASSWORD@..., or ?password_file=FILE"},
    {"WRONGPASS", false, "see the user and password of the sink, or its password_file"},
    {"ERR AUTH", false, "it has no password: leave the sink's out"},
    {"NOPERM", false,
     "ACL SETUSER: the user needs the command, +ping, and the keys (~...) or channels (&...)"},
};

walrow_code
walrow__redis_fail_refused(const walrow__redis *redis, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SINK, "Redis at %s: %s", redis->settings->place, redis->refusal);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (strncmp(redis->refusal, refusals[i].start, strlen(refusals[i].start)) != 0)
            continue;
        if (err != NULL)
            err->retryable = refusals[i].passes;
        return walrow__hint(err, "%s", refusals[i].way_out);
    }
    return walrow__hint(err, "see Redis's documentation of that error");
}

static walrow_code
may_pass(walrow_error *err)
{
    walrow__hint(err, "is it up, and is that where it listens?");
    if (err != NULL)
        err->retryable = true;
    return WALROW_ERR_SINK;
}

walrow_code
walrow__redis_fail_connect(const walrow__redis *redis, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SINK, "cannot connect to Redis at %s: %s", redis->settings->place,
                 redis->context->errstr);
    return may_pass(err);
}

walrow_code
walrow__redis_fail_lost(const walrow__redis *redis, ssize_t n, walrow_error *err)
{
    const char *place = redis->settings->place;
    if (n == 0)
        walrow__fail(err, WALROW_ERR_SINK, "Redis at %s closed the connection", place);
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
        walrow__fail(err, WALROW_ERR_SINK, "Redis at %s did not answer for %" PRIu64 " s", place,
                     redis->settings->timeout_s);
    else
        walrow__fail_errno(err, WALROW_ERR_SINK, errno, "lost the connection to Redis at %s", place);
    return may_pass(err);
}
