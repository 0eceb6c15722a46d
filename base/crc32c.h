/* CRC-32C (Castagnoli), polynomial 0x1EDC6F41 reflected, as in RFC 3720 appendix B.4. */
#ifndef HR_CRC32C_H
#define HR_CRC32C_H

#include <stdint.h>

#include "base/str.h"

/* The checksum of @bytes; RFC 3720's check value: "123456789" gives 0xE3069283. Any thread. */
uint32_t hr_crc32c(struct hr_str bytes);
/* The same, without any instruction of a certain machine. */
uint32_t hr_crc32c_slices(struct hr_str bytes);

#endif
