#include "monitor.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void input_open(struct input *input, int fd) {
    input->fd = fd;
    input->length = 0;
    input->ends = false;
    if (fd >= 0) make_nonblocking(fd);
}

static void finish(struct input *input, bool may_close) {
    input->length = 0;
    if (may_close && input->fd >= 0) {
        close(input->fd);
        input->fd = -1;
    }
}

void input_flush(struct input *input) {
    while (input->length > 0 && input->fd >= 0) {
        ssize_t count = write(input->fd, input->data, input->length);
        if (count < 0) {
            if (errno == EINTR) continue;
            // EPIPE: the program closed its input; what is left can go nowhere.
            if (errno != EAGAIN) finish(input, !input->is_terminal);
            return;
        }
        memmove(input->data, input->data + count, input->length - (size_t)count);
        input->length -= (size_t)count;
    }
    if (input->ends) finish(input, !input->is_terminal);
}

void input_put(struct input *input, const void *data, size_t length) {
    if (input->fd < 0) return;
    if (length > sizeof input->data - input->length) length = sizeof input->data - input->length;
    memcpy(input->data + input->length, data, length);
    input->length += length;
    input_flush(input);
}

void input_end(struct input *input) {
    input->ends = true;
    input_flush(input);
}
