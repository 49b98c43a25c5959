#include "memory.h"

#include "utils/memutils.h"

/* ---- buffers ---- */

static uint8_t *
reallocate(struct ArrowBufferAllocator *allocator, uint8_t *old, int64_t old_size, int64_t new_size)
{
    MemoryContext context = allocator->private_data;
    int flags = MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM;
    if (new_size < 0 || !AllocHugeSizeIsValid((Size)new_size))
        return NULL;
#if PG_VERSION_NUM >= 160000
    if (old != NULL)
        return repalloc_extended(old, (Size)new_size, flags);
#endif
    uint8_t *new = MemoryContextAllocExtended(context, (Size)new_size, flags);
    if (new != NULL && old != NULL) {
        memcpy(new, old, (size_t)Min(old_size, new_size));
        pfree(old);
    }
    return new;
}

static void
free_buffer(struct ArrowBufferAllocator *allocator, uint8_t *buffer, int64_t size)
{
    (void)allocator;
    (void)size;
    if (buffer != NULL)
        pfree(buffer);
}

struct ArrowBufferAllocator
context_allocator(MemoryContext context)
{
    return (struct ArrowBufferAllocator){
        .reallocate = reallocate, .free = free_buffer, .private_data = context};
}

/* ---- output ---- */

/* As enlargeStringInfo, which would raise an error in the middle of an encoder. */
static bool
enlarge(StringInfo out, size_t size)
{
    if (size >= MaxAllocSize - (size_t)out->len)
        return false;
    Size needed = (Size)out->len + size + 1;
    if (needed <= (Size)out->maxlen)
        return true;
    Size capacity = Min(Max(2 * (Size)out->maxlen, needed), MaxAllocSize);
    char *data = MemoryContextAllocExtended(GetMemoryChunkContext(out->data), capacity, MCXT_ALLOC_NO_OOM);
    if (data == NULL)
        return false;
    memcpy(data, out->data, (size_t)out->len + 1);
    pfree(out->data);
    out->data = data;
    out->maxlen = (int)capacity;
    return true;
}

static uint8_t *
reserve(void *arg, size_t size)
{
    StringInfo out = arg;
    if (!enlarge(out, size))
        return NULL;
    uint8_t *at = (uint8_t *)out->data + out->len;
    out->len += (int)size;
    out->data[out->len] = '\0';
    return at;
}

walrow__wire_out
write_to(StringInfo out)
{
    return (walrow__wire_out){.reserve = reserve, .arg = out};
}

/* ---- errors ---- */

void
report_out_of_memory(void)
{
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                    errdetail("A message of wal2arrow, or the columns of a transaction, found no room.")));
}

void
report_walrow_error(const walrow_error *err)
{
    if (err->code == WALROW_ERR_MEMORY)
        report_out_of_memory();
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("%s", err->message),
                    err->hint[0] == '\0' ? 0 : errhint("%s", err->hint)));
}
