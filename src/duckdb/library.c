#include "duckdb/library.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NULL with the linker's reason in *reason (static until the next call), or "" if there is no such file. */
static void *
load(const char *path, const char **reason)
{
    *reason = "";
    if (strchr(path, '/') != NULL && access(path, F_OK) != 0)
        return NULL;
    /* stays mapped: its thread-local destructors may run after we are gone */
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL)
        *reason = dlerror();
    return library;
}

/* The file libduckdb.so beside the library (or program) this function is in. */
static void
path_beside_us(walrow__strbuf *path)
{
    static const char here;
    Dl_info info;
    walrow__strbuf_clear(path);
    if (dladdr(&here, &info) == 0 || info.dli_fname == NULL)
        return;
    const char *slash = strrchr(info.dli_fname, '/');
    if (slash != NULL)
        walrow__strbuf_add(path, info.dli_fname, (size_t)(slash + 1 - info.dli_fname));
    walrow__strbuf_add_text(path, slash == NULL ? "./libduckdb.so" : "libduckdb.so");
}

static void *
load_first(walrow__strbuf *beside, const char **reason)
{
    const char *named = getenv("WALROW_DUCKDB");
    if (named != NULL && *named != '\0') {
        void *library = load(named, reason);
        if (library == NULL && **reason == '\0')
            *reason = "WALROW_DUCKDB names a file that does not exist";
        return library;
    }
    path_beside_us(beside);
    const char *places[] = {
#ifdef WALROW_DUCKDB_DIR
        WALROW_DUCKDB_DIR "/libduckdb.so",
#endif
        walrow__strbuf_text(beside),
        "libduckdb.so",
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        void *library = *places[i] == '\0' ? NULL : load(places[i], reason);
        if (library != NULL || **reason != '\0')
            return library;
    }
    return NULL;
}

static walrow_code
load_library(walrow__duckdb_library *library, walrow_error *err)
{
    const char *reason = "";
    walrow__strbuf beside;
    walrow__strbuf_init(&beside);
    library->handle = load_first(&beside, &reason);
    walrow_code code = WALROW_OK;
    if (library->handle == NULL) {
        code = walrow__fail(err, WALROW_ERR_SINK, "this sink needs libduckdb, which cannot be loaded: %s",
                            reason);
        walrow__hint(err, "run scripts/bootstrap, put libduckdb.so at %s, or set WALROW_DUCKDB to its path",
                     beside.size > 0 ? beside.data : "a place the dynamic linker knows");
    }
    walrow__strbuf_release(&beside);
    return code;
}

static walrow_code
find_functions(walrow__duckdb_library *library, walrow_error *err)
{
    const char *missing = NULL;
#define DUCKDB_FIND(type, name, parameters)                                                                  \
    if ((*(void **)&library->name = dlsym(library->handle, "duckdb_" #name)) == NULL)                        \
        missing = "duckdb_" #name;
    DUCKDB_FUNCTIONS(DUCKDB_FIND)
#undef DUCKDB_FIND
    if (missing == NULL)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SINK, "libduckdb has no function %s", missing);
    walrow__hint(err, "set WALROW_DUCKDB to a libduckdb.so of version 1.2 to 1.5");
    return WALROW_ERR_SINK;
}

walrow_code
walrow__duckdb_library_open(walrow__duckdb_library *library, walrow_error *err)
{
    WALROW_TRY(load_library(library, err));
    walrow_code code = find_functions(library, err);
    if (code != WALROW_OK)
        walrow__duckdb_library_close(library);
    return code;
}

void
walrow__duckdb_library_close(walrow__duckdb_library *library)
{
    if (library->handle != NULL)
        dlclose(library->handle);
    library->handle = NULL;
}
