/* Limits and consumption of the process, from the system's own files. A number that cannot be read is NaN,
 * which is how Prometheus writes that there is none. */
#include "host/host_process.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MICROSECONDS 1e6
#define NANOSECONDS 1e9

static double started_s;

enum hr_err hr_host_process_prepare(uint32_t workers, struct hr_diag *diag)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    started_s = (double)now.tv_sec + (double)now.tv_nsec / NANOSECONDS;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its size limit is an error of the store's, not our end */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return HR_OK; /* then it is found out when one is needed */
    }
    rlim_t wanted =
        files.rlim_max < HR_HOST_PROCESS_FILES_MAX ? files.rlim_max : HR_HOST_PROCESS_FILES_MAX;
    if (files.rlim_cur < wanted) {
        struct rlimit raised = {.rlim_cur = wanted, .rlim_max = files.rlim_max};
        files.rlim_cur = setrlimit(RLIMIT_NOFILE, &raised) == 0 ? wanted : files.rlim_cur;
    }
    rlim_t need = HR_HOST_PROCESS_FILES + (rlim_t)HR_HOST_PROCESS_FILES_WORKER * workers;
    if (files.rlim_cur < need) {
        return hr_diag_set(
            diag, HR_BAD_INPUT,
            "this process may have %llu files open, and %u workers need %llu and one "
            "for each connection; raise the limit (ulimit -n)",
            (unsigned long long)files.rlim_cur, workers, (unsigned long long)need);
    }
    return HR_OK;
}

/* --- what it takes ------------------------------------------------------------------------------------ */

static double open_files(void *arg)
{
    (void)arg;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) {
        return NAN;
    }
    double count = -1; /* the folder itself */
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

static double max_files(void *arg)
{
    (void)arg;
    struct rlimit files;
    return getrlimit(RLIMIT_NOFILE, &files) == 0 ? (double)files.rlim_cur : NAN;
}

static double resident_bytes(void *arg)
{
    (void)arg;
    unsigned long long pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) {
        return NAN;
    }
    int read = fscanf(file, "%*u %llu", &pages); /* total, resident, ... */
    fclose(file);
    return read == 1 ? (double)pages * (double)sysconf(_SC_PAGESIZE) : NAN;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / MICROSECONDS;
}

static double cpu_seconds(void *arg)
{
    (void)arg;
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0
               ? seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime)
               : NAN;
}

static double start_seconds(void *arg)
{
    (void)arg;
    return started_s;
}

enum hr_err hr_host_process_metrics(struct hr_metrics *registry, struct hr_diag *diag)
{
    static const struct {
        const char *name;
        const char *help;
        enum hr_metric_type type;
        hr_metric_read_cb read;
    } series[] = {
        {"process_open_fds", "Files and sockets that are open.", HR_METRIC_GAUGE, open_files},
        {"process_max_fds", "Files and sockets that may be open.", HR_METRIC_GAUGE, max_files},
        {"process_resident_memory_bytes", "Memory in use.", HR_METRIC_GAUGE, resident_bytes},
        {"process_cpu_seconds_total", "CPU time used.", HR_METRIC_COUNTER, cpu_seconds},
        {"process_start_time_seconds", "When the process started, since 1970.", HR_METRIC_GAUGE,
         start_seconds},
    };
    enum hr_err err = HR_OK;
    for (size_t i = 0; i < sizeof series / sizeof *series && !err; i++) {
        const struct hr_metric_desc desc = {.name = hr_str_c(series[i].name),
                                            .help = hr_str_c(series[i].help)};
        err = hr_metrics_read(registry, series[i].type, &desc, series[i].read, NULL, diag);
    }
    return err;
}
