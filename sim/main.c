/* sim --seed N [--trace]: the simulator's command line. See options.h. */
#include <stdio.h>

#include "sim/command.h"
#include "sim/options.h"

int main(int argc, char **argv)
{
    struct sim_options options;
    if (!sim_options_read(argc, argv, &options)) {
        fputs(sim_options_help(), stderr);
        return 2;
    }
    return sim_command(&options);
}
