/* Texts of messaging errors back to enum hr_err. Stateless, any thread. */
#include "actors/todo/core/env.h"

enum hr_err gw_env_err(struct hr_str text)
{
    for (int err = HR_OK + 1; err < HR_ERR_COUNT; err++) {
        if (err != HR_NO_MEMORY && hr_str_starts(text, hr_str_c(hr_err_text((enum hr_err)err)))) {
            return (enum hr_err)err;
        }
    }
    return HR_IO;
}
