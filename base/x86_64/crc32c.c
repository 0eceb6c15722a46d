/* In the place of base/crc32c.c on x86-64: SSE 4.2 has an instruction for this polynomial. Not every processor
 * has SSE 4.2. */
#include "base/crc32c.h"

#include <string.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(struct hr_str bytes)
{
    uint64_t crc = 0xffffffffu;
    size_t i = 0;
    for (; i + 8 <= bytes.len; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.ptr + i, sizeof word);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; i < bytes.len; i++) {
        crc = __builtin_ia32_crc32qi((uint32_t)crc, (unsigned char)bytes.ptr[i]);
    }
    return ~(uint32_t)crc;
}

uint32_t hr_crc32c(struct hr_str bytes)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(bytes) : hr_crc32c_slices(bytes);
}
