#include "state/place.h"

#include "base/error.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

bool
walrow__state_is_off(const walrow_options *options)
{
    return options->state != NULL && strcmp(options->state, "off") == 0;
}

/* The directory of all slots' state; NULL with no home. */
static char *
default_parent(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *parent = NULL;
    if (state != NULL && state[0] == '/') /* the XDG specification: others are to be ignored */
        return asprintf(&parent, "%s/walrow", state) < 0 ? NULL : parent;
    if (home != NULL && home[0] != '\0')
        return asprintf(&parent, "%s/.local/state/walrow", home) < 0 ? NULL : parent;
    return NULL;
}

walrow_code
walrow__state_place(const walrow_options *options, char **out, walrow_error *err)
{
    if (options->state != NULL) {
        *out = strdup(options->state);
        return *out == NULL ? walrow__fail_memory(err) : WALROW_OK;
    }
    char *parent = default_parent();
    if (parent == NULL) {
        walrow__fail(err, WALROW_ERR_STATE,
                     "no place for walrow's state: neither XDG_STATE_HOME nor HOME is set");
        return walrow__hint(err, "name a directory with --state, or keep none with --state off");
    }
    *out = walrow__files_join(parent, options->slot);
    free(parent);
    return *out == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

/* ---- one process at a time ---- */

static walrow_code
in_use(const char *path, int fd, walrow_error *err)
{
    char pid[32] = "";
    ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
    pid[size > 0 ? size : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    walrow__fail(err, WALROW_ERR_STATE, "state directory \"%s\" is in use by process %s", path,
                 pid[0] == '\0' ? "of unknown number" : pid);
    return walrow__hint(err, "one process reads a slot: stop that one first, or name another slot");
}

static walrow_code
write_pid(int fd, const char *path, walrow_error *err)
{
    char pid[32];
    int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)size, 0) == size)
        return WALROW_OK;
    walrow__fail_errno(err, WALROW_ERR_STATE, errno, "cannot write \"%s/lock\"", path);
    return walrow__hint(err, "%s", walrow__files_way_out(errno));
}

static walrow_code
open_lock(const char *path, int *fd, walrow_error *err)
{
    char *file = walrow__files_join(path, "lock");
    if (file == NULL)
        return walrow__fail_memory(err);
    *fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int failed = errno;
    free(file);
    if (*fd >= 0)
        return WALROW_OK;
    walrow__fail_errno(err, WALROW_ERR_STATE, failed, "cannot open state directory \"%s\"", path);
    return walrow__hint(err, "name another directory with --state, or keep no state with --state off");
}

walrow_code
walrow__place_lock(const char *path, int *fd, walrow_error *err)
{
    if (walrow__files_claim_dirs(path, err) != WALROW_OK) {
        if (err != NULL)
            err->code = WALROW_ERR_STATE;
        return walrow__hint(err, "name another directory with --state, or keep no state with --state off");
    }
    WALROW_TRY(open_lock(path, fd, err));
    walrow_code code =
        flock(*fd, LOCK_EX | LOCK_NB) != 0 ? in_use(path, *fd, err) : write_pid(*fd, path, err);
    if (code != WALROW_OK) {
        close(*fd);
        *fd = -1;
    }
    return code;
}

/* ---- what is in it ---- */

bool
walrow__place_is_used(const char *path)
{
    char *db = walrow__files_join(path, WALROW__PLACE_STORE);
    bool used = db != NULL && access(db, F_OK) == 0;
    free(db);
    return used;
}

/* errno, or 0, also where there is nothing. */
static int
remove_tree(const char *path, const char *name)
{
    char *tree = walrow__files_join(path, name);
    int failed = tree == NULL ? ENOMEM : walrow__files_remove_tree(tree);
    free(tree);
    return failed;
}

static walrow_code
cannot(const char *what, const char *path, int failed, walrow_error *err)
{
    walrow__fail_errno(err, WALROW_ERR_STATE, failed, "cannot %s the state in \"%s\"", what, path);
    return walrow__hint(err, "%s", walrow__files_way_out(failed));
}

walrow_code
walrow__place_clear_new(const char *path, walrow_error *err)
{
    int failed = remove_tree(path, WALROW__PLACE_NEW);
    return failed == 0 ? WALROW_OK : cannot("make", path, failed, err);
}

walrow_code
walrow__place_keep_new(const char *path, walrow_error *err)
{
    char *from = walrow__files_join(path, WALROW__PLACE_NEW),
         *to = walrow__files_join(path, WALROW__PLACE_STORE);
    int failed = from == NULL || to == NULL ? ENOMEM : 0;
    if (failed == 0 && rename(from, to) != 0)
        failed = errno;
    free(from);
    free(to);
    if (failed != 0)
        return cannot("make", path, failed, err);
    if (walrow__files_sync_dir(path, err) == WALROW_OK)
        return WALROW_OK;
    if (err != NULL)
        err->code = WALROW_ERR_STATE;
    return WALROW_ERR_STATE;
}

walrow_code
walrow__place_remove(const char *path, walrow_error *err)
{
    int fd;
    if (access(path, F_OK) != 0)
        return WALROW_OK;
    WALROW_TRY(walrow__place_lock(path, &fd, err));
    int failed = remove_tree(path, WALROW__PLACE_STORE);
    if (failed == 0)
        failed = remove_tree(path, WALROW__PLACE_NEW);
    if (failed == 0)
        failed = remove_tree(path, "lock");
    if (failed == 0 && rmdir(path) != 0 && errno != ENOTEMPTY)
        failed = errno;
    close(fd);
    return failed == 0 ? WALROW_OK : cannot("remove", path, failed, err);
}
