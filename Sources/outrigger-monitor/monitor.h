// One small process per container: it starts the container through runc, keeps its log, its terminal and its exit status, and
// does not depend on the node agent being alive. The same program also holds the few privileged steps that need a process of
// their own: making namespaces, running a command in a container, dialling inside a network namespace.
#ifndef OUTRIGGER_MONITOR_H
#define OUTRIGGER_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// system.c
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
void make_close_on_exec(int fd);
void make_nonblocking(int fd);
bool write_all(int fd, const void *data, size_t length);
long long now_ms(void);
// RFC 3339 with nanoseconds, UTC; `out` holds at least 40 bytes.
void timestamp(char *out);
// Writes a file by rename, so that a reader sees all of it or none.
bool write_file_atomically(const char *path, const char *data, size_t length);
// Appends `text` as a JSON string, quotes included.
size_t json_quote(char *out, size_t capacity, const char *text);
long read_long(const char *path);
// Listening Unix socket at a path relative to the present folder, which keeps it below the 108 byte limit.
int listen_unix(const char *relative_path);
// Takes one descriptor that the peer of `connection` sends along.
int receive_descriptor(int connection);

// log.c: the CRI text form, rotated.
#define LINE_MAX_BYTES 16384
struct log_stream {
    const char *name;
    size_t length;
    char line[LINE_MAX_BYTES];
};
bool log_open(const char *path, long long max_bytes, int files);
void log_append(struct log_stream *stream, const char *data, size_t length);
void log_flush(struct log_stream *stream);

// runtime.c: starting something through runc.
struct launch {
    char *const *argv;
    const char *pid_file;
    bool terminal;
    bool wants_stdin;
    // Results; -1 where there is none. With a terminal only `terminal_fd` is set.
    int stdin_fd, stdout_fd, stderr_fd, terminal_fd;
    pid_t pid;
    char error[4096];
};
bool launch(struct launch *request);
bool set_terminal_size(int fd, uint16_t columns, uint16_t rows);

// frame.c: [type][length, 4 bytes big endian][payload] on a byte stream.
#define FRAME_MAX_BYTES 65536
struct frame_reader {
    size_t length;
    uint8_t buffer[FRAME_MAX_BYTES + 5];
};
enum { FRAME_STDIN = 'I', FRAME_STDIN_END = 'E', FRAME_RESIZE = 'R', FRAME_STDOUT = 'O', FRAME_STDERR = 'S', FRAME_EXIT = 'X' };
typedef void (*frame_handler)(void *context, uint8_t type, const uint8_t *payload, size_t length);
// Reads what is there; false at the end of the stream or on a broken frame.
bool frame_read(struct frame_reader *reader, int fd, frame_handler handler, void *context);
bool frame_write(int fd, uint8_t type, const void *payload, size_t length);

// input.c: bytes on their way to a program's standard input. While `length` is not 0 the caller takes no further frames, so one
// read's worth always fits, and a program that does not read never blocks the loop.
struct input {
    int fd;
    bool is_terminal, ends;
    size_t length;
    char data[2 * FRAME_MAX_BYTES];
};
void input_open(struct input *input, int fd);
void input_put(struct input *input, const void *data, size_t length);
void input_flush(struct input *input);
// Closes it once everything is written; a terminal stays open.
void input_end(struct input *input);

// Commands.
int run_command(int argc, char **argv);
int exec_command(int argc, char **argv);
int sandbox_command(int argc, char **argv);
int connect_command(int argc, char **argv);
int whiteouts_command(int argc, char **argv);

#endif
