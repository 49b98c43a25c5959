#include "sink/identity.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

walrow_code
walrow__identity_compare(const walrow__identity *stored, const walrow__identity *now, const char *place,
                         walrow_error *err)
{
    if (stored->system_identifier == now->system_identifier && strcmp(stored->database, now->database) == 0 &&
        strcmp(stored->slot, now->slot) == 0)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_STATE,
                 "\"%s\" belongs to system %" PRIu64 ", database \"%s\", slot \"%s\", and this is system "
                 "%" PRIu64 ", database \"%s\", slot \"%s\"",
                 place, stored->system_identifier, stored->database, stored->slot, now->system_identifier,
                 now->database, now->slot);
    return walrow__hint(
        err, "name another place for this stream, or use the server, database and slot it belongs to");
}
