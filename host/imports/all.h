/* The tables of all interfaces that this host has, each in the file of its name, and the list of them. */
#ifndef HR_IMPORTS_ALL_H
#define HR_IMPORTS_ALL_H

#include "host/run/imports.h"

extern const struct hr_imports_table hr_imports_http;
extern const struct hr_imports_table hr_imports_io;
extern const struct hr_imports_table hr_imports_clocks;
extern const struct hr_imports_table hr_imports_random;
extern const struct hr_imports_table hr_imports_cli;
extern const struct hr_imports_table hr_imports_logging;
extern const struct hr_imports_table hr_imports_config;
extern const struct hr_imports_table hr_imports_keyvalue;
extern const struct hr_imports_table hr_imports_messaging;
extern const struct hr_imports_table hr_imports_lattice;
extern const struct hr_imports_table hr_imports_assets;
extern const struct hr_imports_table hr_imports_standing;
extern const struct hr_imports_table hr_imports_lost_commits;

extern const struct hr_imports hr_imports_all;

#endif
