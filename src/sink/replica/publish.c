#include "sink/replica/publish.h"

#include "base/crash.h"
#include "base/error.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static walrow_code
open_file(walrow__publisher *publisher, const walrow__replica *replica, walrow_error *err)
{
    struct stat file, copy;
    if (publisher->fd >= 0)
        return WALROW_OK;
    publisher->fd = open(replica->path, O_RDONLY | O_CLOEXEC);
    if (publisher->fd < 0 || fstat(publisher->fd, &file) != 0)
        return walrow__files_fail(err, errno, "cannot open", replica->path);
    if (stat(publisher->path, &copy) != 0 || copy.st_dev != file.st_dev || copy.st_ino != file.st_ino)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "\"%s\" cannot be published as itself", replica->path);
    return walrow__hint(err, "name another file with ?publish=");
}

static walrow_code
copy_bytes(int from, int to, const char *path, walrow_error *err)
{
    enum { COPY_BYTES = 1 << 20 };
    if (ioctl(to, FICLONE, from) == 0)
        return WALROW_OK;
    char *bytes = malloc(COPY_BYTES);
    if (bytes == NULL)
        return walrow__fail_memory(err);
    walrow_code code = WALROW_OK;
    off_t at = 0;
    ssize_t n;
    while (code == WALROW_OK && (n = pread(from, bytes, COPY_BYTES, at)) != 0) {
        code = n < 0 ? walrow__files_fail(err, errno, "cannot copy to", path)
                     : walrow__files_write(to, path, bytes, (size_t)n, err);
        at += n;
    }
    free(bytes);
    return code;
}

static walrow_code
copy_file(walrow__publisher *publisher, const char *parent, const char *staged, walrow_error *err)
{
    int fd = open(staged, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return walrow__files_fail(err, errno, "cannot make", staged);
    walrow_code code = copy_bytes(publisher->fd, fd, staged, err);
    if (code == WALROW_OK)
        code = walrow__files_sync(fd, staged, err);
    close(fd);
    WALROW__CRASH_POINT("before-publish");
    if (code == WALROW_OK && rename(staged, publisher->path) != 0)
        code = walrow__files_fail(err, errno, "cannot replace", publisher->path);
    WALROW__CRASH_POINT("after-publish");
    if (code != WALROW_OK) {
        unlink(staged);
        return code;
    }
    return walrow__files_sync_dir(parent, err);
}

walrow_code
walrow__publish(walrow__publisher *publisher, walrow__replica *replica, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "CHECKPOINT " WALROW__REPLICA);
    walrow_code code = walrow__replica_run(replica, &sql, err);
    walrow__strbuf_release(&sql);
    if (code == WALROW_OK)
        code = open_file(publisher, replica, err);
    if (code != WALROW_OK)
        return code;

    char *staged, *parent = walrow__files_parent(publisher->path);
    if (parent == NULL ||
        asprintf(&staged, "%s/.%s.walrow", parent, walrow__files_base(publisher->path)) < 0) {
        free(parent);
        return walrow__fail_memory(err);
    }
    code = walrow__files_make_dirs(parent, err);
    if (code == WALROW_OK)
        code = copy_file(publisher, parent, staged, err);
    free(staged);
    free(parent);
    return code;
}

void
walrow__publisher_release(walrow__publisher *publisher)
{
    if (publisher->fd >= 0)
        close(publisher->fd);
    free(publisher->path);
    publisher->path = NULL;
    publisher->fd = -1;
}
