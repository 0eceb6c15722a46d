/* CRC-32C four bytes at a time, by tables ("slicing": M. E. Kounavis and F. L. Berry, "A Systematic Approach to
 * Building High Performance Software-Based CRC Generators", 2005). */
#include "base/crc32c.h"

#include "base/crc32c_table.h"

uint32_t hr_crc32c_slices(struct hr_str bytes)
{
    const uint32_t(*table)[256] = hr_crc32c_table;
    uint32_t crc = 0xffffffffu;
    size_t i = 0;
    for (; bytes.len - i >= 4; i += 4) {
        const unsigned char *p = (const unsigned char *)bytes.ptr + i;
        crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        crc = table[3][crc & 255] ^ table[2][crc >> 8 & 255] ^ table[1][crc >> 16 & 255] ^
              table[0][crc >> 24];
    }
    for (; i < bytes.len; i++) {
        crc = crc >> 8 ^ table[0][(crc ^ (unsigned char)bytes.ptr[i]) & 255];
    }
    return ~crc;
}
