/*
 * base/files.h
 *	  Files that are there whole or not at all: written aside, fsynced, renamed, and the directory fsynced
 * too. Errors say what to do about a full disk, a read-only file system, a missing permission.
 */
#ifndef WALROW_BASE_FILES_H
#define WALROW_BASE_FILES_H

#include <walrow.h>

/** WALROW_ERR_SINK with what ("cannot write"), the path, errno's text and the way out. */
walrow_code walrow__files_fail(walrow_error *err, int sys_errno, const char *what, const char *path);

/* What to do about an errno of a file; static. */
const char *walrow__files_way_out(int sys_errno);

/* DIR/NAME, malloc'ed; NULL: out of memory. */
char *walrow__files_join(const char *directory, const char *name);
/* The directory a path is in, malloc'ed ("." if none). */
char *walrow__files_parent(const char *path);
/* What follows the last slash; borrowed. */
const char *walrow__files_base(const char *path);

/** A new file that nobody else finds, gone once it is closed. @return -1, with errno, if it cannot be */
int walrow__files_open_nameless(const char *directory);

/** mkdir -p, durable: the parent of every directory made is fsynced. */
walrow_code walrow__files_make_dirs(const char *path, walrow_error *err) WALROW_MUST_CHECK;
/** The same, at a sink's opening: a run that was killed may have made the last one, and not come to the fsync. */
walrow_code walrow__files_claim_dirs(const char *path, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__files_sync_dir(const char *path, walrow_error *err) WALROW_MUST_CHECK;
/** All of it, at the descriptor's position. */
walrow_code walrow__files_write(int fd, const char *path, const void *bytes, size_t size,
                                walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__files_sync(int fd, const char *path, walrow_error *err) WALROW_MUST_CHECK;
/** Rename where nothing of that name is yet. */
walrow_code walrow__files_rename_new(const char *from, const char *to, walrow_error *err) WALROW_MUST_CHECK;
/** Replace a file's content as a whole: durable before and after. */
walrow_code walrow__files_replace(const char *path, const void *bytes, size_t size,
                                  walrow_error *err) WALROW_MUST_CHECK;
/** The whole file, malloc'ed and NUL-terminated; *bytes NULL if there is none. */
walrow_code walrow__files_read(const char *path, char **bytes, size_t *size,
                               walrow_error *err) WALROW_MUST_CHECK;
/** rm -rf. @return errno, or 0, also where there is nothing */
int walrow__files_remove_tree(const char *path);
/** Remove; a file that is not there is fine. */
walrow_code walrow__files_remove(const char *path, walrow_error *err) WALROW_MUST_CHECK;

#endif
