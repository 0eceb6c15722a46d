/* Mounts that only this test program sees: a namespace of its own, as root or through a user
 * namespace. Where neither is allowed the tests that need it are skipped, and say so. */
#ifndef OWN_MOUNTS_H
#define OWN_MOUNTS_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static inline bool own_mounts_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/* Once, before the program has threads. */
static inline bool own_mounts_begin(void)
{
    char map[64];
    unsigned uid = (unsigned)getuid();
    unsigned gid = (unsigned)getgid();
    bool ok = unshare(CLONE_NEWNS) == 0;
    if (!ok && unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
        snprintf(map, sizeof map, "0 %u 1", uid);
        ok = own_mounts_write("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "0 %u 1", gid);
        ok = ok && own_mounts_write("/proc/self/setgroups", "deny") &&
             own_mounts_write("/proc/self/gid_map", map);
    }
    if (!ok || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        printf("mounts of its own are not allowed here (%s): tests that need them are skipped\n",
               strerror(errno));
        return false;
    }
    return true;
}

/* A file system in memory of @size ("1m") at @folder. */
static inline bool own_mounts_tmpfs(const char *folder, const char *size, unsigned long flags)
{
    char options[64];
    snprintf(options, sizeof options, "size=%s,mode=755", size);
    return mount("tmpfs", folder, "tmpfs", flags, options) == 0;
}

#endif
