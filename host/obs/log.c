/* One line per event, in logfmt: `ts=2024-05-01T12:00:00.123Z level=info event=... key=value`.
 *
 * A value that is empty, or has anything but printable characters other than space, '"', '=' and
 * '\', is quoted, and inside the quotes is escaped as in JSON: \" \\ \n \r \t and \u00XX for other
 * control characters (C1 too). Bytes that are not UTF-8 become \ufffd. So a line is a line, whatever
 * was in the value.
 *
 * A line is formatted on the stack and written by one write call. It is at most HR_LOG_LINE_BYTES_MAX
 * long, which is what a pipe takes whole (PIPE_BUF), so lines of several processes do not mix; a longer
 * one is cut within a value, and ends in `cut=true`.
 *
 * Nobody waits for whoever reads the log: a line that cannot be written at once (a pipe or a terminal that is
 * full, a disk that is full) is dropped and counted, and the next one that can be is preceded by
 * `event=log.dropped lines=<how many>`. Any thread. Knows nothing of what it logs. */
#include "host/obs/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define HR_LOG_LINE_BYTES_MAX 4096u
#define CUT_MARK " cut=true\n"
/* Where values end, so that a closing quote, the mark and the newline always fit. */
#define TEXT_BYTES_MAX (HR_LOG_LINE_BYTES_MAX - sizeof CUT_MARK - 1)
#define ESCAPE_BYTES_MAX 8u

static const char *const level_names[] = {"trace", "debug", "info", "warn", "error", "critical"};
#define LEVEL_COUNT (sizeof level_names / sizeof *level_names)

static _Atomic int least_level = HR_LOG_INFO;
static _Atomic int out_fd = STDERR_FILENO;
/* Held for a look at the descriptor and the write, so that no other thread fills it in between. */
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static uint64_t dropped; /* lines since one was written; under @writing */

struct line {
    char bytes[HR_LOG_LINE_BYTES_MAX];
    size_t len;
    bool cut;
};

void hr_log_set_level(enum hr_log_level level)
{
    atomic_store(&least_level, (int)level);
}

bool hr_log_enabled(enum hr_log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void hr_log_set_fd(int fd)
{
    atomic_store(&out_fd, fd);
}

/* What values may still take; a closing quote may stand beyond it. */
static size_t room(const struct line *line)
{
    return line->len < TEXT_BYTES_MAX ? TEXT_BYTES_MAX - line->len : 0;
}

/* Appends all of @s or, if there is no room for it, nothing; then the line is cut. */
static bool put(struct line *line, struct hr_str s)
{
    if (line->cut || s.len > room(line)) {
        line->cut = true;
        return false;
    }
    if (s.len > 0) {
        memcpy(line->bytes + line->len, s.ptr, s.len);
        line->len += s.len;
    }
    return true;
}

static bool is_plain(struct hr_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) {
            return false;
        }
        if (c == 0xc2 && i + 1 < value.len && (unsigned char)value.ptr[i + 1] < 0xa0) {
            return false; /* a C1 control character */
        }
    }
    return value.len > 0 && hr_str_is_utf8(value);
}

/* Length of the well-formed UTF-8 sequence at @at, or 0. */
static size_t sequence_len(struct hr_str value, size_t at)
{
    for (size_t len = 1; len <= 4 && at + len <= value.len; len++) {
        if (hr_str_is_utf8(hr_str_of(value.ptr + at, len))) {
            return len;
        }
    }
    return 0;
}

/* Writes the escape of the character at @at to @to, or copies it. Returns how many bytes of @value
 * it took. */
static size_t escape(struct hr_str value, size_t at, char *to, size_t *ret_len)
{
    size_t taken = sequence_len(value, at);
    unsigned char c = (unsigned char)value.ptr[at];
    unsigned code = taken == 2 ? (unsigned char)value.ptr[at + 1] : c; /* C1: C2 80..9F */
    const char *name = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n" : NULL;
    name = c == '\r' ? "\\r" : c == '\t' ? "\\t" : name;
    int n;
    if (taken == 0) {
        n = snprintf(to, ESCAPE_BYTES_MAX, "\\ufffd");
        taken = 1;
    } else if (name) {
        n = snprintf(to, ESCAPE_BYTES_MAX, "%s", name);
    } else if ((taken == 1 && (c < ' ' || c == 0x7f)) || (taken == 2 && c == 0xc2 && code < 0xa0)) {
        n = snprintf(to, ESCAPE_BYTES_MAX, "\\u%04x", code);
    } else {
        memcpy(to, value.ptr + at, taken);
        n = (int)taken;
    }
    *ret_len = (size_t)n;
    return taken;
}

static void put_quoted(struct line *line, struct hr_str value)
{
    if (!put(line, HR_STR("\""))) {
        return;
    }
    for (size_t at = 0; at < value.len;) {
        char piece[ESCAPE_BYTES_MAX];
        size_t len;
        at += escape(value, at, piece, &len);
        if (!put(line, hr_str_of(piece, len))) {
            break;
        }
    }
    line->bytes[line->len++] = '"'; /* has its room beyond TEXT_BYTES_MAX */
}

static void put_value(struct line *line, struct hr_str value)
{
    if (!is_plain(value) || value.len > room(line)) {
        put_quoted(line, value); /* cuts a value that is too long */
    } else {
        put(line, value);
    }
}

/* Appends ` key=`, unless the whole field could then only be cut at once. */
static bool put_key(struct line *line, const char *key)
{
    struct hr_str name = hr_str_c(key);
    if (line->cut || name.len + 4 > room(line)) {
        line->cut = true;
        return false;
    }
    return put(line, HR_STR(" ")) && put(line, name) && put(line, HR_STR("="));
}

static void put_field(struct line *line, const struct hr_log_field *field)
{
    if (!put_key(line, field->key)) {
        return;
    }
    if (!field->is_number) {
        put_value(line, field->text);
        return;
    }
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRId64, field->number);
    size_t before = line->len;
    if (!put(line, hr_str_of(digits, (size_t)n))) {
        line->len = before; /* half a number would be another number */
    }
}

static void put_time(struct line *line)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    char text[64];
    int n = snprintf(text, sizeof text, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ",
                     utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                     utc.tm_sec, now.tv_nsec / 1000000);
    put(line, hr_str_of(text, (size_t)n));
}

static void begin(struct line *line, enum hr_log_level level, const char *event)
{
    line->len = 0;
    line->cut = false;
    put_time(line);
    put_key(line, "level");
    put(line, hr_str_c((size_t)level < LEVEL_COUNT ? level_names[level] : "unknown"));
    put_key(line, "event");
    put_value(line, hr_str_c(event));
}

static void end(struct line *line)
{
    struct hr_str text = line->cut ? HR_STR(CUT_MARK) : HR_STR("\n");
    memcpy(line->bytes + line->len, text.ptr, text.len);
    line->len += text.len;
}

/* Whether a line was written; never waits. */
static bool write_now(const struct line *line)
{
    struct pollfd out = {.fd = atomic_load(&out_fd), .events = POLLOUT};
    if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT)) {
        return false;
    }
    ssize_t n;
    do {
        n = write(out.fd, line->bytes, line->len);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static bool tell_dropped(void)
{
    const struct hr_log_field lines = HR_LOG_INT("lines", dropped);
    struct line line;
    begin(&line, HR_LOG_WARN, "log.dropped");
    put_field(&line, &lines);
    end(&line);
    return write_now(&line);
}

static void write_line(const struct line *line)
{
    pthread_mutex_lock(&writing);
    if (dropped > 0 && tell_dropped()) {
        dropped = 0;
    }
    if (dropped > 0 || !write_now(line)) {
        dropped++;
    }
    pthread_mutex_unlock(&writing);
}

void hr_log_fields(enum hr_log_level level, const char *event, const struct hr_log_field *fields,
                   size_t count)
{
    if (!hr_log_enabled(level)) {
        return;
    }
    int kept = errno; /* a log line is no reason to lose it */
    struct line line;
    begin(&line, level, event);
    for (size_t i = 0; i < count; i++) {
        put_field(&line, &fields[i]);
    }
    end(&line);
    write_line(&line);
    errno = kept;
}
