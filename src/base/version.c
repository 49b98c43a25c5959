#include <walrow.h>

const char *
walrow_version(void)
{
    return WALROW_VERSION;
}
