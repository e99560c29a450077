#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

_Noreturn void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(1);
}

void make_close_on_exec(int fd) {
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0) fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

void make_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

bool write_all(int fd, const void *data, size_t length) {
    const char *next = data;
    while (length > 0) {
        ssize_t count = write(fd, next, length);
        if (count < 0) {
            if (errno == EINTR) continue;
            return false;
        }
        next += count;
        length -= (size_t)count;
    }
    return true;
}

long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void timestamp(char *out) {
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t length = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + length, 16, ".%09ldZ", now.tv_nsec);
}

bool write_file_atomically(const char *path, const char *data, size_t length) {
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary) return false;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool written = write_all(fd, data, length) && fsync(fd) == 0;
    close(fd);
    return written && rename(temporary, path) == 0;
}

size_t json_quote(char *out, size_t capacity, const char *text) {
    size_t length = 0;
    if (capacity < 16) return 0;
    out[length++] = '"';
    for (const unsigned char *next = (const unsigned char *)text; *next && length + 8 < capacity; next++) {
        if (*next == '"' || *next == '\\') {
            out[length++] = '\\';
            out[length++] = (char)*next;
        } else if (*next == '\n') {
            out[length++] = '\\';
            out[length++] = 'n';
        } else if (*next < 0x20 || *next >= 0x7f) {
            // Bytes that are no ASCII may be no UTF-8 either.
            length += (size_t)snprintf(out + length, capacity - length, "\\u%04x", *next);
        } else {
            out[length++] = (char)*next;
        }
    }
    out[length++] = '"';
    return length;
}

long read_long(const char *path) {
    char text[32] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    return count > 0 ? strtol(text, NULL, 10) : -1;
}

int listen_unix(const char *relative_path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(relative_path) >= sizeof address.sun_path) return -1;
    strcpy(address.sun_path, relative_path);
    unlink(relative_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    mode_t previous = umask(0177);
    bool bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    umask(previous);
    if (bound && listen(fd, 8) == 0) return fd;
    close(fd);
    return -1;
}

int receive_descriptor(int connection) {
    char byte[256];
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {.iov_base = byte, .iov_len = sizeof byte};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            int fd;
            memcpy(&fd, CMSG_DATA(header), sizeof fd);
            return fd;
        }
    }
    return -1;
}
