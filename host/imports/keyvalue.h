/* The buckets that guests have opened, for the other interfaces that take one. */
#ifndef HR_IMPORTS_KEYVALUE_H
#define HR_IMPORTS_KEYVALUE_H

#include "base/err.h"
#include "base/str.h"
#include "host/kv/kv.h"
#include "host/run/fiber.h"

/* The store and the name of the bucket that the guest means by @handle; traps if it means none. Owns: the name lives as
 * long as the call. */
HR_MUST_CHECK enum hr_err hr_keyvalue_bucket(struct hr_fiber *fiber, int32_t handle,
                                             struct hr_kv **ret_kv, struct hr_str *ret_name);

#endif
