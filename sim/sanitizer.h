/* What the address sanitizer has to be told about stacks that we change; nothing without it. */
#ifndef SIM_SANITIZER_H
#define SIM_SANITIZER_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#endif

#ifdef SIM_ASAN
#include <sanitizer/common_interface_defs.h>
#define SIM_STACK_BYTES ((size_t)1 << 20)
static inline void sim_switch_begins(void **ret_fake, const void *bottom, size_t bytes)
{
    __sanitizer_start_switch_fiber(ret_fake, bottom, bytes);
}
static inline void sim_switch_ended(void *fake, const void **ret_bottom, size_t *ret_bytes)
{
    __sanitizer_finish_switch_fiber(fake, ret_bottom, ret_bytes);
}
#else
#define SIM_STACK_BYTES ((size_t)256 << 10)
static inline void sim_switch_begins(void **ret_fake, const void *bottom, size_t bytes)
{
    (void)ret_fake, (void)bottom, (void)bytes;
}
static inline void sim_switch_ended(void *fake, const void **ret_bottom, size_t *ret_bytes)
{
    (void)fake, (void)ret_bottom, (void)ret_bytes;
}
#endif

#endif
