#include "state/look.h"

#include "base/error.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TRIES = 50 };

struct walrow__look {
    char *folder;
    int *held; /* descriptors of the store's files */
    size_t n_held, capacity;
};

/* The manifest says which files count; it grows with every change of that, and gets another name at times. */
typedef struct manifest {
    char name[32];
    off_t size;
} manifest;

static walrow_code
fail(int failed, const char *what, const char *path, walrow_error *err)
{
    walrow__fail_errno(err, WALROW_ERR_STATE, failed, "cannot %s \"%s\"", what, path);
    return walrow__hint(err, "%s",
                        failed == EACCES ? "run this as the user whose state it is"
                                         : walrow__files_way_out(failed));
}

/* The first line of CURRENT; "": there is none. */
static walrow_code
read_current(const char *path, manifest *out, walrow_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out->name, sizeof out->name - 1);
    int failed = n < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    out->name[n < 0 ? 0 : n] = '\0';
    out->name[strcspn(out->name, "\n")] = '\0';
    return failed == 0 || failed == ENOENT ? WALROW_OK : fail(failed, "read", path, err);
}

static walrow_code
find_manifest(const char *store, manifest *out, walrow_error *err)
{
    struct stat st = {0};
    char *path = walrow__files_join(store, "CURRENT");
    *out = (manifest){0};
    walrow_code code = path == NULL ? walrow__fail_memory(err) : read_current(path, out, err);
    free(path);
    path = code == WALROW_OK ? walrow__files_join(store, out->name) : NULL;
    if (path != NULL && stat(path, &st) == 0)
        out->size = st.st_size;
    free(path);
    return code;
}

/* ---- into the folder ---- */

static walrow_code
make_folder(walrow__look *look, walrow_error *err)
{
    const char *parent = getenv("TMPDIR");
    look->folder =
        walrow__files_join(parent == NULL || parent[0] == '\0' ? "/tmp" : parent, "walrow-look-XXXXXX");
    if (look->folder == NULL)
        return walrow__fail_memory(err);
    if (mkdtemp(look->folder) != NULL)
        return WALROW_OK;
    walrow__fail_errno(err, WALROW_ERR_STATE, errno, "cannot make a temporary folder \"%s\"", look->folder);
    free(look->folder);
    look->folder = NULL;
    return walrow__hint(err, "name a directory that can be written with TMPDIR");
}

/* So much of a file as there was when its size was looked at. */
static walrow_code
copy(int from, const char *to, off_t size, walrow_error *err)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : 1;
    for (; n > 0 && size > 0; size -= n)
        n = sendfile(fd, from, NULL, (size_t)size);
    walrow_code code = n < 0 ? fail(errno, "write", to, err) : WALROW_OK;
    if (fd >= 0)
        close(fd);
    return code;
}

static walrow_code
hold(walrow__look *look, int fd, const char *to, walrow_error *err)
{
    char target[64];
    if (look->n_held == look->capacity) {
        size_t capacity = look->capacity == 0 ? 32 : 2 * look->capacity;
        int *held = realloc(look->held, capacity * sizeof *held);
        if (held == NULL) {
            close(fd);
            return walrow__fail_memory(err);
        }
        look->held = held;
        look->capacity = capacity;
    }
    look->held[look->n_held++] = fd;
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    return symlink(target, to) == 0 ? WALROW_OK : fail(errno, "make", to, err);
}

/*
 * The files that grow while they count are the logs, whose end is read as that of a crash, and the manifest. One that
 * was taken away since it was listed is of no matter: the manifest does without it, or is another one by now.
 */
static walrow_code
put_file(walrow__look *look, const char *from, const char *to, const manifest *now, walrow_error *err)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? WALROW_OK : fail(errno, "open", from, err);
    if (strcmp(walrow__files_base(from), now->name) != 0)
        return hold(look, fd, to, err);
    walrow_code code = copy(fd, to, now->size, err);
    close(fd);
    return code;
}

/* The lock is the writer's, and LOG is what it says of itself. */
static bool
counts(const char *name)
{
    return name[0] != '.' && strncmp(name, "LO", 2) != 0;
}

static walrow_code
put_files(walrow__look *look, const char *store, const manifest *now, walrow_error *err)
{
    DIR *directory = opendir(store);
    walrow_code code = directory == NULL ? fail(errno, "open", store, err) : WALROW_OK;
    for (struct dirent *entry; code == WALROW_OK && (entry = readdir(directory)) != NULL;) {
        if (!counts(entry->d_name))
            continue;
        char *from = walrow__files_join(store, entry->d_name),
             *to = walrow__files_join(look->folder, entry->d_name);
        code = from == NULL || to == NULL ? walrow__fail_memory(err) : put_file(look, from, to, now, err);
        free(from);
        free(to);
    }
    if (directory != NULL)
        closedir(directory);
    return code;
}

/* ---- a look ---- */

static walrow_code
take(const char *store, const manifest *now, walrow__look **out, walrow_error *err)
{
    walrow__look *look = calloc(1, sizeof *look);
    *out = NULL;
    if (look == NULL)
        return walrow__fail_memory(err);
    walrow_code code = make_folder(look, err);
    if (code == WALROW_OK)
        code = put_files(look, store, now, err);
    if (code == WALROW_OK)
        *out = look;
    else
        walrow__look_close(look);
    return code;
}

/*
 * Whoever writes takes away the files that a newer manifest does without: a table that is gone is an error then, and a
 * log that is gone is not even missed. What was taken while the manifest stayed as it was is whole.
 */
walrow_code
walrow__look_open(const char *store, walrow__look **out, walrow_error *err)
{
    manifest before, after;
    WALROW_TRY(find_manifest(store, &after, err));
    for (int i = 0; i < MAX_TRIES; i++) {
        before = after;
        WALROW_TRY(take(store, &before, out, err));
        walrow_code code = find_manifest(store, &after, err);
        if (code == WALROW_OK && before.size == after.size && strcmp(before.name, after.name) == 0)
            return WALROW_OK;
        walrow__look_close(*out);
        *out = NULL;
        if (code != WALROW_OK)
            return code;
    }
    walrow__fail(err, WALROW_ERR_STATE, "the state in \"%s\" changes faster than it can be looked at", store);
    return walrow__hint(err, "ask again");
}

void
walrow__look_close(walrow__look *look)
{
    if (look == NULL)
        return;
    if (look->folder != NULL)
        (void)walrow__files_remove_tree(look->folder);
    for (size_t i = 0; i < look->n_held; i++)
        close(look->held[i]);
    free(look->held);
    free(look->folder);
    free(look);
}

const char *
walrow__look_folder(const walrow__look *look)
{
    return look->folder;
}
