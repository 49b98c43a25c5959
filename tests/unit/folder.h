/*
 * folder.h
 *	  A test's temporary folder, removed with all that is in it.
 */
#ifndef WALROW_TEST_FOLDER_H
#define WALROW_TEST_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

/* 0, or -1. */
static inline int
remove_folder(const char *path)
{
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
