/* Which content coding to answer with: RFC 9110, section 12.5.3. Pure; any thread. */
#ifndef UI_CODING_H
#define UI_CODING_H

#include "base/str.h"

/* In the order of preference when the client likes them equally well, least first. */
enum ui_coding { UI_CODING_IDENTITY, UI_CODING_GZIP, UI_CODING_BR, UI_CODING_COUNT };

/* An Accept-Encoding value longer than this is not read; identity is what every client takes. */
#define UI_ACCEPT_BYTES_MAX 1024

/* A weight is in thousandths: 1 to UI_WEIGHT_MAX as the client gave it. */
#define UI_WEIGHT_MAX 1000
/* Nobody spoke of identity: it is acceptable, and anything named is liked better. */
#define UI_WEIGHT_UNNAMED 0
#define UI_WEIGHT_REFUSED (-1)

struct ui_accept {
    int weights[UI_CODING_COUNT];
};

/* What an Accept-Encoding value says of each coding. An element that is not well-formed says
 * nothing; of two about the same coding the later one counts. An empty or absent value accepts
 * identity only. */
struct ui_accept ui_accept_parse(struct hr_str value);

/* The name in Content-Encoding; empty for identity. Static storage. */
struct hr_str ui_coding_name(enum ui_coding coding);

#endif
