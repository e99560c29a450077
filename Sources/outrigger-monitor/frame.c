#include "monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

bool frame_read(struct frame_reader *reader, int fd, frame_handler handler, void *context) {
    ssize_t count = read(fd, reader->buffer + reader->length, sizeof reader->buffer - reader->length);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    reader->length += (size_t)count;
    size_t used = 0;
    while (reader->length - used >= 5) {
        const uint8_t *head = reader->buffer + used;
        size_t length = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        if (length > FRAME_MAX_BYTES) return false;
        if (reader->length - used < 5 + length) break;
        handler(context, head[0], head + 5, length);
        used += 5 + length;
    }
    memmove(reader->buffer, reader->buffer + used, reader->length - used);
    reader->length -= used;
    return true;
}

bool frame_write(int fd, uint8_t type, const void *payload, size_t length) {
    uint8_t head[5] = {type, (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length};
    struct iovec parts[2] = {{.iov_base = head, .iov_len = 5}, {.iov_base = (void *)payload, .iov_len = length}};
    ssize_t count = writev(fd, parts, 2);
    if (count < 0) return false;
    size_t sent = (size_t)count;
    if (sent == 5 + length) return true;
    // A blocking descriptor that took only a part: send the rest.
    if (sent < 5) {
        if (!write_all(fd, head + sent, 5 - sent)) return false;
        sent = 5;
    }
    return write_all(fd, (const char *)payload + (sent - 5), length - (sent - 5));
}
