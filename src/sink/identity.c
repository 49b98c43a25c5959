#include "sink/identity.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

walrow_code
walrow__identity_compare(const walrow__identity *stored, const walrow__identity *now, const char *place,
                         const char *record, walrow_error *err)
{
    bool same_stream = stored->system_identifier == now->system_identifier &&
                       strcmp(stored->database, now->database) == 0 && strcmp(stored->slot, now->slot) == 0;
    if (same_stream && stored->timeline == now->timeline)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_STATE,
                 "\"%s\" belongs to system %" PRIu64 ", timeline %" PRIu32
                 ", database \"%s\", slot \"%s\", and this is system %" PRIu64 ", timeline %" PRIu32
                 ", database \"%s\", slot \"%s\"",
                 place, stored->system_identifier, stored->timeline, stored->database, stored->slot,
                 now->system_identifier, now->timeline, now->database, now->slot);
    if (same_stream)
        walrow__hint(
            err,
            "a promoted standby or a restored server begins a new timeline, and what was delivered from the "
            "old one may be unknown to it: name another place, or, sure that nothing differs, set "
            "\"timeline\" to %" PRIu32 " in %s",
            now->timeline, record);
    else
        walrow__hint(
            err, "name another place for this stream, or use the server, database and slot it belongs to");
    return WALROW_ERR_STATE;
}
