# CMake has no platform file for WASI; nothing needs saying.
