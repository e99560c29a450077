#define _GNU_SOURCE
#include "monitor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *log_path;
static int log_fd = -1;
static long long log_size, log_max;
static int log_files;

static bool reopen(void) {
    if (log_fd >= 0) close(log_fd);
    log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (log_fd < 0) return false;
    struct stat status;
    log_size = fstat(log_fd, &status) == 0 ? status.st_size : 0;
    return true;
}

bool log_open(const char *path, long long max_bytes, int files) {
    log_path = path;
    log_max = max_bytes;
    log_files = files < 2 ? 2 : files;
    return reopen();
}

// 0.log -> 0.log.1 -> … -> 0.log.(files-1), the oldest is dropped. Readers that follow notice the new inode.
static void rotate(void) {
    char from[4096], to[4096];
    for (int index = log_files - 1; index >= 1; index--) {
        if (index == 1) {
            snprintf(from, sizeof from, "%s", log_path);
        } else {
            snprintf(from, sizeof from, "%s.%d", log_path, index - 1);
        }
        snprintf(to, sizeof to, "%s.%d", log_path, index);
        rename(from, to);
    }
    reopen();
}

static void write_line(struct log_stream *stream, char tag) {
    char head[64];
    timestamp(head);
    size_t length = strlen(head);
    length += (size_t)snprintf(head + length, sizeof head - length, " %s %c ", stream->name, tag);
    struct iovec parts[3] = {
        {.iov_base = head, .iov_len = length},
        {.iov_base = stream->line, .iov_len = stream->length},
        {.iov_base = "\n", .iov_len = 1},
    };
    // A full disk must not stop the container: the line is lost, the next one is tried again.
    ssize_t written = log_fd >= 0 ? writev(log_fd, parts, 3) : -1;
    if (written > 0) log_size += written;
    stream->length = 0;
    if (log_max > 0 && log_size >= log_max && tag == 'F') rotate();
}

void log_append(struct log_stream *stream, const char *data, size_t length) {
    while (length > 0) {
        size_t room = LINE_MAX_BYTES - stream->length;
        size_t take = length < room ? length : room;
        const char *newline = memchr(data, '\n', take);
        if (newline) take = (size_t)(newline - data);
        memcpy(stream->line + stream->length, data, take);
        stream->length += take;
        data += take;
        length -= take;
        if (newline) {
            data++;
            length--;
            write_line(stream, 'F');
        } else if (stream->length == LINE_MAX_BYTES) {
            write_line(stream, 'P');
        }
    }
}

void log_flush(struct log_stream *stream) {
    if (stream->length > 0) write_line(stream, 'P');
}
