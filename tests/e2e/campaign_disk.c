/*
 * tests/e2e/campaign_disk.c
 *	  Preloaded into walrow by the campaign: notes what a power failure would leave of a file system, as POSIX has it
 *	  at its strictest. A file is as it was at its last fsync, and empty before the first; a directory has the names
 *	  it had at its own last fsync. campaign_disk.py puts that state in place of the present one after a kill.
 *
 *	  WALROW_DISK is a folder on the file system in question, for the files whose names are gone; WALROW_DISK_NOTES
 *	  is one elsewhere: "sizes" has pairs (inode, durable size), the last one counts; undo/INODE the durable bytes that
 *	  were overwritten since, as (offset, size, bytes); names/INODE a directory's durable names, as lines "inode type name".
 *	  Everything is noted before it is done, so that a kill at any moment leaves notes that hold.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { N_BUCKETS = 4096, PATH_SIZE = 4096 };

typedef struct known_file {
    uint64_t ino;
    int64_t durable_size;
    bool has_undo;
    struct known_file *next;
} known_file;

typedef struct note {
    uint64_t ino;
    int64_t size;
} note;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static known_file *buckets[N_BUCKETS];
static const char *gone_folder, *notes_folder;
static dev_t device;
static int sizes_fd = -1;

/* ---- notes ---- */

static void
die(const char *what)
{
    perror(what);
    abort();
}

static void
note_path(char *path, const char *kind, uint64_t ino, const char *suffix)
{
    snprintf(path, PATH_SIZE, "%s/%s/%llu%s", notes_folder, kind, (unsigned long long)ino, suffix);
}

static void
write_note(int fd, const void *bytes, size_t size)
{
    if (syscall(SYS_write, fd, bytes, size) != (long)size)
        die("cannot write a note");
}

static known_file *
find_file(uint64_t ino)
{
    known_file **at = &buckets[ino % N_BUCKETS];
    while (*at != NULL && (*at)->ino != ino)
        at = &(*at)->next;
    if (*at == NULL && (*at = calloc(1, sizeof **at)) == NULL)
        die("no memory for a note");
    (*at)->ino = ino;
    return *at;
}

__attribute__((constructor)) static void
open_notes(void)
{
    struct stat st;
    char path[PATH_SIZE];
    note one;
    gone_folder = getenv("WALROW_DISK");
    notes_folder = getenv("WALROW_DISK_NOTES");
    if (gone_folder == NULL || notes_folder == NULL || stat(gone_folder, &st) != 0)
        return;
    snprintf(path, sizeof path, "%s/sizes", notes_folder);
    sizes_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (sizes_fd < 0)
        die(path);
    while (read(sizes_fd, &one, sizeof one) == (ssize_t)sizeof one) {
        known_file *file = find_file(one.ino);
        file->durable_size = one.size;
        file->has_undo = true; /* perhaps, from a process before */
    }
    device = st.st_dev;
}

static bool
is_ours(int fd, struct stat *st)
{
    return sizes_fd >= 0 && fstat(fd, st) == 0 && st->st_dev == device;
}

/* ---- what is about to be overwritten ---- */

static void
keep_bytes(int fd, const struct stat *st, int64_t start, int64_t end)
{
    known_file *file = find_file(st->st_ino);
    end = end < file->durable_size ? end : file->durable_size;
    end = end < st->st_size ? end : st->st_size;
    if (start >= end)
        return;
    char path[PATH_SIZE];
    note_path(path, "undo", st->st_ino, "");
    int undo = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* the descriptor itself may be for writing only */
    int reading = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    int64_t head[2] = {start, end - start};
    char *bytes = malloc((size_t)head[1]);
    if (reading < 0 || undo < 0 || bytes == NULL || pread(reading, bytes, (size_t)head[1], start) != head[1])
        die("cannot keep what is overwritten");
    write_note(undo, head, sizeof head);
    write_note(undo, bytes, (size_t)head[1]);
    file->has_undo = true;
    free(bytes);
    close(undo);
    close(reading);
}

/* The file itself, whose name goes. */
static void
keep_file(int folder, const char *path)
{
    struct stat st;
    char kept[PATH_SIZE];
    if (sizes_fd < 0 || fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_dev != device ||
        !S_ISREG(st.st_mode))
        return;
    snprintf(kept, sizeof kept, "%s/%llu", gone_folder, (unsigned long long)st.st_ino);
    (void)linkat(folder, path, AT_FDCWD, kept, 0); /* it may be there already */
}

/* ---- what becomes durable ---- */

static void
note_names(int fd, uint64_t ino)
{
    char from[PATH_SIZE], to[PATH_SIZE], line[PATH_SIZE];
    note_path(from, "names", ino, ".new");
    note_path(to, "names", ino, "");
    int out = (int)syscall(SYS_openat, AT_FDCWD, from, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int again = (int)syscall(SYS_openat, fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (out < 0 || dir == NULL)
        die("cannot note a directory's names");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int size = snprintf(line, sizeof line, "%llu %c %s\n", (unsigned long long)entry->d_ino,
                            entry->d_type == DT_DIR ? 'd' : 'f', entry->d_name);
        write_note(out, line, (size_t)size);
    }
    closedir(dir);
    close(out);
    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) != 0)
        die("cannot note a directory's names");
}

static void
note_size(const struct stat *st)
{
    known_file *file = find_file(st->st_ino);
    note one = {.ino = st->st_ino, .size = st->st_size};
    write_note(sizes_fd, &one, sizeof one);
    file->durable_size = st->st_size;
    if (file->has_undo) {
        char path[PATH_SIZE];
        note_path(path, "undo", st->st_ino, "");
        syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        file->has_undo = false;
    }
}

int
fsync(int fd)
{
    struct stat st;
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_fsync, fd);
    if (result == 0 && is_ours(fd, &st)) {
        if (S_ISDIR(st.st_mode))
            note_names(fd, st.st_ino);
        else
            note_size(&st);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int
fdatasync(int fd)
{
    return fsync(fd);
}

/* ---- what changes files ---- */

ssize_t
write(int fd, const void *bytes, size_t size)
{
    struct stat st;
    if (!is_ours(fd, &st))
        return syscall(SYS_write, fd, bytes, size);
    pthread_mutex_lock(&lock);
    bool appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    if (fstat(fd, &st) == 0) {
        int64_t start = appends ? st.st_size : lseek(fd, 0, SEEK_CUR);
        keep_bytes(fd, &st, start, start + (int64_t)size);
    }
    ssize_t result = syscall(SYS_write, fd, bytes, size);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t start)
{
    struct stat st;
    pthread_mutex_lock(&lock);
    if (is_ours(fd, &st))
        keep_bytes(fd, &st, start, start + (int64_t)size);
    ssize_t result = syscall(SYS_pwrite64, fd, bytes, size, start);
    pthread_mutex_unlock(&lock);
    return result;
}

int
ftruncate(int fd, off_t size)
{
    struct stat st;
    pthread_mutex_lock(&lock);
    if (is_ours(fd, &st))
        keep_bytes(fd, &st, size, INT64_MAX);
    int result = (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_unlock(&lock);
    return result;
}

int
openat(int folder, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    struct stat st;
    if ((flags & O_TRUNC) != 0 && sizes_fd >= 0) {
        pthread_mutex_lock(&lock);
        int before = (int)syscall(SYS_openat, folder, path, O_RDONLY | O_CLOEXEC);
        if (before >= 0 && is_ours(before, &st))
            keep_bytes(before, &st, 0, INT64_MAX);
        if (before >= 0)
            close(before);
        pthread_mutex_unlock(&lock);
    }
    return (int)syscall(SYS_openat, folder, path, flags, mode);
}

int
open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return openat(AT_FDCWD, path, flags, mode);
}

int
renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if ((flags & RENAME_NOREPLACE) == 0)
        keep_file(to_folder, to);
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

int
rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlinkat(int folder, const char *path, int flags)
{
    keep_file(folder, path);
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

int
unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int
remove(const char *path)
{
    struct stat st;
    bool folder = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
    return unlinkat(AT_FDCWD, path, folder ? AT_REMOVEDIR : 0);
}

/* ---- the same by their names for 64 bits ---- */

ssize_t pwrite64(int, const void *, size_t, off64_t) __attribute__((alias("pwrite")));
int ftruncate64(int, off64_t) __attribute__((alias("ftruncate")));
int open64(const char *, int, ...) __attribute__((alias("open")));
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));
