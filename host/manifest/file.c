/* Reading small files. */
#include "host/manifest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536u

static enum hr_err errno_err(struct hr_diag *diag)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return hr_diag_set(diag, HR_NOT_FOUND, "no such file");
    case EACCES:
    case EPERM:
        return hr_diag_set(diag, HR_DENIED, "may not be read: %s", strerror(errno));
    default:
        return hr_diag_set(diag, HR_IO, "cannot be read: %s", strerror(errno));
    }
}

static enum hr_err check_regular(const struct stat *stat, struct hr_diag *diag)
{
    if (S_ISREG(stat->st_mode)) {
        return HR_OK;
    }
    return hr_diag_set(diag, HR_BAD_INPUT, "is %s, not a file",
                       S_ISDIR(stat->st_mode) ? "a folder" : "something else");
}

/* Opening a device may do something and opening a pipe may wait, so the path is looked at before it
 * is opened, and the file again after. */
static enum hr_err open_regular(const char *path, int *ret_fd, struct hr_diag *diag)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        return errno_err(diag);
    }
    enum hr_err err = check_regular(&found, diag);
    if (err) {
        return err;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno_err(diag);
    }
    err = fstat(fd, &found) == 0 ? check_regular(&found, diag) : errno_err(diag);
    if (err) {
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return HR_OK;
}

enum hr_err hr_manifest_file_check(const char *path, struct hr_diag *diag)
{
    int fd;
    enum hr_err err = open_regular(path, &fd, diag);
    if (!err) {
        close(fd);
    }
    return err;
}

enum hr_err hr_manifest_file_read(const char *path, size_t max, struct hr_buf *buf,
                                  struct hr_diag *diag)
{
    int fd;
    enum hr_err err = open_regular(path, &fd, diag);
    if (err) {
        return err;
    }
    ssize_t got;
    do {
        err = hr_buf_reserve(buf, READ_BYTES);
        if (err) {
            hr_diag_set(diag, err, "out of memory");
            break;
        }
        got = read(fd, buf->ptr + buf->len, READ_BYTES);
        if (got > 0) {
            buf->len += (size_t)got;
        }
        if (got < 0 && errno != EINTR) {
            err = errno_err(diag);
        } else if (buf->len > max) {
            err = hr_diag_set(diag, HR_TOO_BIG, "is larger than %zu bytes", max);
        }
    } while (!err && got != 0);
    close(fd);
    return err;
}
