#include "base/files.h"

#include "base/crash.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- errors ---- */

const char *
walrow__files_way_out(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
        return "free space there or name another place; what was delivered is safe, and the next run goes on "
               "from it";
    case EROFS:
        return "the file system is mounted read-only; name another place";
    case EACCES:
    case EPERM:
        return "give this user permission to write there, or name another place";
    case EMFILE:
    case ENFILE:
        return "raise the limit of open files (ulimit -n)";
    case ENOTDIR:
    case EISDIR:
        return "something else has that name; name another place";
    case EPIPE:
        return "whoever reads the output has closed it; what was not read will come again";
    case EIO:
        return "the storage reports an error: see the system's log; the next run goes on from what was "
               "delivered";
    default:
        return "what was delivered is safe, and the next run goes on from it";
    }
}

walrow_code
walrow__files_fail(walrow_error *err, int sys_errno, const char *what, const char *path)
{
    walrow__fail_errno(err, WALROW_ERR_SINK, sys_errno, "%s \"%s\"", what, path);
    walrow__hint(err, "%s", walrow__files_way_out(sys_errno));
    return WALROW_ERR_SINK;
}

/* ---- paths ---- */

char *
walrow__files_join(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

const char *
walrow__files_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

char *
walrow__files_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* ---- files without a name ---- */

int
walrow__files_open_nameless(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char path[4096];
    int size = snprintf(path, sizeof path, "%s/.waiting-XXXXXX", directory);
    if (size < 0 || (size_t)size >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

/* ---- directories ---- */

walrow_code
walrow__files_sync_dir(const char *path, walrow_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return walrow__files_fail(err, errno, "cannot open the directory", path);
    walrow_code code = walrow__files_sync(fd, path, err);
    close(fd);
    return code;
}

static walrow_code
sync_parent(const char *path, walrow_error *err)
{
    char *parent = walrow__files_parent(path);
    if (parent == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__files_sync_dir(parent, err);
    free(parent);
    return code;
}

static walrow_code
make_dir(const char *path, walrow_error *err)
{
    if (mkdir(path, 0777) == 0)
        return sync_parent(path, err);
    struct stat st;
    if (errno == EEXIST && stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? WALROW_OK
                                   : walrow__files_fail(err, ENOTDIR, "cannot make the directory", path);
    return walrow__files_fail(err, errno, "cannot make the directory", path);
}

/* At the end; malloc'ed. */
static char *
without_slashes(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    return strndup(path, size);
}

walrow_code
walrow__files_make_dirs(const char *path, walrow_error *err)
{
    char *copy = without_slashes(path);
    if (copy == NULL)
        return walrow__fail_memory(err);
    walrow_code code = WALROW_OK;
    for (char *at = copy + 1; code == WALROW_OK && *at != '\0'; at++) {
        if (*at != '/' || at[-1] == '/')
            continue;
        *at = '\0';
        code = make_dir(copy, err);
        *at = '/';
    }
    if (code == WALROW_OK)
        code = make_dir(copy, err);
    free(copy);
    return code;
}

/* Where the parent may not be read, no run of ours has made the directory. */
walrow_code
walrow__files_claim_dirs(const char *path, walrow_error *err)
{
    walrow_error refused = {0};
    WALROW_TRY(walrow__files_make_dirs(path, err));
    char *copy = without_slashes(path);
    if (copy == NULL)
        return walrow__fail_memory(err);
    walrow_code code = sync_parent(copy, &refused);
    free(copy);
    if (code == WALROW_OK || refused.sys_errno == EACCES)
        return WALROW_OK;
    if (err != NULL)
        *err = refused;
    return code;
}

/* ---- files ---- */

walrow_code
walrow__files_write(int fd, const char *path, const void *bytes, size_t size, walrow_error *err)
{
    const char *at = bytes;
    WALROW__CRASH_POINT("before-write");
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return walrow__files_fail(err, errno, "cannot write", path);
        at += n;
        size -= (size_t)n;
    }
    WALROW__CRASH_POINT("after-write");
    return WALROW_OK;
}

walrow_code
walrow__files_sync(int fd, const char *path, walrow_error *err)
{
    WALROW__CRASH_POINT("before-fsync");
    /* EINVAL: something that cannot be synced, a pipe or a special file system */
    if (fsync(fd) != 0 && errno != EINVAL)
        return walrow__files_fail(err, errno, "cannot fsync", path);
    WALROW__CRASH_POINT("after-fsync");
    return WALROW_OK;
}

walrow_code
walrow__files_rename_new(const char *from, const char *to, walrow_error *err)
{
    WALROW__CRASH_POINT("before-rename");
    int result = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS)) /* the file system has no such rename */
        result = access(to, F_OK) == 0 ? (errno = EEXIST, -1) : rename(from, to);
    WALROW__CRASH_POINT("after-rename");
    if (result == 0)
        return WALROW_OK;
    if (errno != EEXIST)
        return walrow__files_fail(err, errno, "cannot rename to", to);
    walrow__fail(err, WALROW_ERR_SINK, "\"%s\" is there already, and a delivered file is never overwritten",
                 to);
    walrow__hint(err, "something else put it there: move it away and run again");
    return WALROW_ERR_SINK;
}

static walrow_code
write_aside(const char *path, const void *bytes, size_t size, walrow_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return walrow__files_fail(err, errno, "cannot make", path);
    walrow_code code = walrow__files_write(fd, path, bytes, size, err);
    if (code == WALROW_OK)
        code = walrow__files_sync(fd, path, err);
    if (close(fd) != 0 && code == WALROW_OK)
        code = walrow__files_fail(err, errno, "cannot write", path);
    return code;
}

static walrow_code
replace(const char *path, const char *aside, const char *parent, const void *bytes, size_t size,
        walrow_error *err)
{
    walrow_code code = write_aside(aside, bytes, size, err);
    WALROW__CRASH_POINT("before-replace");
    if (code == WALROW_OK && rename(aside, path) != 0)
        code = walrow__files_fail(err, errno, "cannot rename to", path);
    WALROW__CRASH_POINT("after-replace");
    if (code != WALROW_OK) {
        unlink(aside);
        return code;
    }
    return walrow__files_sync_dir(parent, err);
}

walrow_code
walrow__files_replace(const char *path, const void *bytes, size_t size, walrow_error *err)
{
    char *parent = walrow__files_parent(path), *aside = NULL;
    if (parent == NULL || asprintf(&aside, "%s/.%s.new", parent, walrow__files_base(path)) < 0) {
        free(parent);
        return walrow__fail_memory(err);
    }
    walrow_code code = replace(path, aside, parent, bytes, size, err);
    free(aside);
    free(parent);
    return code;
}

walrow_code
walrow__files_read(const char *path, char **bytes, size_t *size, walrow_error *err)
{
    *bytes = NULL;
    *size = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return errno == ENOENT ? WALROW_OK : walrow__files_fail(err, errno, "cannot open", path);
    size_t capacity = 0;
    /* a NUL never occurs in what is read here, so one "line" is the whole file */
    ssize_t n = getdelim(bytes, &capacity, '\0', file);
    walrow_code code = WALROW_OK;
    if (n < 0 && ferror(file)) {
        code = walrow__files_fail(err, errno, "cannot read", path);
        free(*bytes);
        *bytes = NULL;
    } else if (n < 0 && *bytes != NULL)
        (*bytes)[0] = '\0';
    *size = n < 0 ? 0 : (size_t)n;
    fclose(file);
    if (code == WALROW_OK && *bytes == NULL && (*bytes = calloc(1, 1)) == NULL)
        return walrow__fail_memory(err);
    return code;
}

static int
remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat, (void)kind, (void)where;
    return remove(path);
}

int
walrow__files_remove_tree(const char *path)
{
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT ? 0 : errno;
}

walrow_code
walrow__files_remove(const char *path, walrow_error *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return walrow__files_fail(err, errno, "cannot remove", path);
    return WALROW_OK;
}
