/* The web page as ui/scripts/pack.mjs has made it for this build. */
#ifndef UI_BUILT_BUNDLE_H
#define UI_BUILT_BUNDLE_H

#include "actors/ui/core/bundle.h"

extern const struct ui_bundle ui_built_bundle;

#endif
