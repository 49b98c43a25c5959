#include "source/decoder.h"

#include "base/error.h"

#include <string.h>

walrow_code
walrow__decoder_locate(const char *plugin, walrow_code code, uint64_t lsn, walrow_error *err)
{
    char text[WALROW_LSN_SIZE];
    if (code != WALROW_ERR_PROTOCOL || err == NULL)
        return code;
    walrow_error what = *err;
    walrow__fail(err, code, "%s at %s: %s", plugin, walrow_lsn_format(lsn, text), what.message);
    memcpy(err->hint, what.hint, sizeof err->hint);
    return code;
}
