#include "source/recording.h"

#include "base/cursor.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORGET_BYTES = 8 << 20 };

static const char magic[8] = "WALROW\1\n";

/* ---- writing ---- */

static walrow_code
write_failed(walrow_error *err)
{
    walrow__fail_errno(err, WALROW_ERR_SINK, errno, "cannot write the recording");
    return walrow__hint(err, "make room, or choose another place; nothing was confirmed to the server");
}

walrow_code
walrow__recording_write(FILE *file, uint8_t kind, uint64_t lsn, const void *bytes, size_t size,
                        walrow_error *err)
{
    struct __attribute__((packed)) {
        uint8_t kind;
        uint64_t lsn;
        uint32_t size;
    } head = {kind, __builtin_bswap64(lsn), __builtin_bswap32((uint32_t)size)};
    if (fwrite(&head, sizeof head, 1, file) != 1 || (size > 0 && fwrite(bytes, size, 1, file) != 1))
        return write_failed(err);
    return WALROW_OK;
}

static char *
header_json(const walrow__recording_header *header)
{
    char identifier[24];
    snprintf(identifier, sizeof identifier, "%" PRIu64, header->system_identifier);
    json_t *json =
        json_pack("{ss sb ss si ss ss si}", "plugin", header->plugin, "binary", header->binary,
                  "system_identifier", identifier, "timeline", (int)header->timeline, "database",
                  header->database, "slot", header->slot, "server_version", header->server_version);
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

walrow_code
walrow__recording_create(const char *path, const walrow__recording_header *header, FILE **out,
                         walrow_error *err)
{
    FILE *file = fopen(path, "wxe");
    if (file == NULL) {
        walrow__fail_errno(err, WALROW_ERR_SINK, errno, "cannot make %s", path);
        return walrow__hint(err, "name a file that does not exist yet, in a directory that can be written");
    }
    setvbuf(file, NULL, _IOFBF, 1 << 18);
    char *text = header_json(header);
    walrow_code code = WALROW_OK;
    if (text == NULL)
        code = walrow__fail_memory(err);
    else if (fwrite(magic, sizeof magic, 1, file) != 1)
        code = write_failed(err);
    else
        code = walrow__recording_write(file, WALROW__FRAME_HEADER, 0, text, strlen(text), err);
    free(text);
    if (code != WALROW_OK)
        fclose(file);
    else
        *out = file;
    return code;
}

walrow_code
walrow__recording_finish(FILE *file, walrow_error *err)
{
    bool ok = fflush(file) == 0 && fsync(fileno(file)) == 0;
    walrow_code code = ok ? WALROW_OK : write_failed(err);
    if (fclose(file) != 0 && code == WALROW_OK)
        code = write_failed(err);
    return code;
}

/* ---- reading ---- */

static walrow_code
broken(const char *what, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_PROTOCOL, "recording: %s", what);
    return walrow__hint(err, "record it again with walrow record");
}

/* Pages that were read are not needed again: memory stays small however large the file is. */
static void
forget_read(walrow__recording *recording, const uint8_t *frame)
{
    size_t read = (size_t)(frame - recording->bytes) / FORGET_BYTES * FORGET_BYTES;
    if (read <= recording->forgotten)
        return;
    madvise((void *)(recording->bytes + recording->forgotten), read - recording->forgotten, MADV_DONTNEED);
    recording->forgotten = read;
}

walrow_code
walrow__recording_next(walrow__recording *recording, walrow__frame *out, walrow_error *err)
{
    if (recording->at == recording->size)
        return WALROW_END;
    walrow__cursor cursor =
        walrow__cursor_over(recording->bytes + recording->at, recording->size - recording->at);
    out->kind = walrow__read_u8(&cursor);
    out->lsn = walrow__read_u64(&cursor);
    out->size = walrow__read_u32(&cursor);
    out->bytes = walrow__read_bytes(&cursor, out->size);
    if (cursor.failed)
        return broken("it ends in the middle of a frame", err);
    recording->at = (size_t)(cursor.at - recording->bytes);
    forget_read(recording, out->bytes);
    return WALROW_OK;
}

static walrow_code
parse_header(const walrow__frame *frame, walrow__recording_header *out, walrow_error *err)
{
    json_t *json = json_loadb((const char *)frame->bytes, frame->size, 0, NULL);
    const char *plugin, *identifier, *database, *slot;
    int binary, timeline, version;
    walrow_code code = WALROW_OK;
    if (json == NULL || json_unpack(json, "{ss sb ss si ss ss si}", "plugin", &plugin, "binary", &binary,
                                    "system_identifier", &identifier, "timeline", &timeline, "database",
                                    &database, "slot", &slot, "server_version", &version) != 0) {
        code = broken("its header cannot be read", err);
    } else {
        out->binary = binary != 0;
        out->system_identifier = strtoull(identifier, NULL, 10);
        out->timeline = (uint32_t)timeline;
        out->server_version = version;
        snprintf(out->plugin, sizeof out->plugin, "%s", plugin);
        snprintf(out->database, sizeof out->database, "%s", database);
        snprintf(out->slot, sizeof out->slot, "%s", slot);
    }
    json_decref(json);
    return code;
}

static walrow_code
read_header(walrow__recording *recording, walrow_error *err)
{
    walrow__frame frame;
    if (recording->size < sizeof magic || memcmp(recording->bytes, magic, sizeof magic) != 0)
        return broken("this is not a file that walrow record wrote", err);
    recording->at = sizeof magic;
    walrow_code code = walrow__recording_next(recording, &frame, err);
    if (code == WALROW_END || (code == WALROW_OK && frame.kind != WALROW__FRAME_HEADER))
        return broken("it has no header", err);
    WALROW_TRY(code);
    return parse_header(&frame, &recording->header, err);
}

static walrow_code
map_file(const char *path, walrow__recording *out, walrow_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        int sys_errno = errno;
        if (fd >= 0)
            close(fd);
        return walrow__fail_errno(err, WALROW_ERR_USAGE, sys_errno, "cannot open %s", path);
    }
    out->size = (size_t)info.st_size;
    void *bytes = out->size == 0 ? NULL : mmap(NULL, out->size, PROT_READ, MAP_PRIVATE, fd, 0);
    int sys_errno = errno;
    close(fd);
    if (bytes == MAP_FAILED)
        return walrow__fail_errno(err, WALROW_ERR_USAGE, sys_errno, "cannot read %s", path);
    if (bytes != NULL)
        madvise(bytes, out->size, MADV_SEQUENTIAL);
    out->bytes = bytes;
    return WALROW_OK;
}

walrow_code
walrow__recording_open(const char *path, walrow__recording *out, walrow_error *err)
{
    memset(out, 0, sizeof *out);
    WALROW_TRY(map_file(path, out, err));
    walrow_code code = read_header(out, err);
    if (code != WALROW_OK)
        walrow__recording_close(out);
    return code;
}

void
walrow__recording_close(walrow__recording *recording)
{
    if (recording->bytes != NULL)
        munmap((void *)recording->bytes, recording->size);
    recording->bytes = NULL;
}
