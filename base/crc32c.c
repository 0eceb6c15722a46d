/* Machines without instructions for it, guests among them. */
#include "base/crc32c.h"

uint32_t hr_crc32c(struct hr_str bytes)
{
    return hr_crc32c_slices(bytes);
}
