#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void close_pair(int pair[2]) {
    for (int index = 0; index < 2; index++) {
        if (pair[index] >= 0) close(pair[index]);
        pair[index] = -1;
    }
}

// Reads what runc printed before it failed; that is its reason.
static void read_error(int fd, char *out, size_t capacity) {
    size_t length = 0;
    make_nonblocking(fd);
    while (length + 1 < capacity) {
        ssize_t count = read(fd, out + length, capacity - 1 - length);
        if (count <= 0) break;
        length += (size_t)count;
    }
    while (length > 0 && (out[length - 1] == '\n' || out[length - 1] == ' ')) length--;
    out[length] = 0;
    // A log line (time=… level=error msg="…") is reduced to its message.
    char *message = strstr(out, " msg=\"");
    if (!message) return;
    message += strlen(" msg=\"");
    char *end = out;
    while (*message && *message != '"') {
        if (*message == '\\' && message[1]) message++;
        *end++ = *message++;
    }
    *end = 0;
}

// Starts `argv` (a detaching runc command), waits until it has done its work, and finds the process it left behind, which the
// kernel makes a child of this process because this process is a subreaper.
bool launch(struct launch *request) {
    int input[2] = {-1, -1}, output[2] = {-1, -1}, errors[2] = {-1, -1};
    int console = -1;
    request->stdin_fd = request->stdout_fd = request->stderr_fd = request->terminal_fd = -1;
    request->pid = -1;
    request->error[0] = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    unlink(request->pid_file);

    if (pipe2(errors, O_CLOEXEC) != 0) goto failed;
    if (request->terminal) {
        console = listen_unix("console.sock");
        if (console < 0) goto failed;
    } else {
        if (pipe2(output, O_CLOEXEC) != 0) goto failed;
        if (request->wants_stdin && pipe2(input, O_CLOEXEC) != 0) goto failed;
    }
    pid_t child = fork();
    if (child < 0) goto failed;
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        // What is ignored here would stay ignored in the container.
        for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(input[0] >= 0 ? input[0] : null, 0);
        dup2(output[1] >= 0 ? output[1] : null, 1);
        dup2(errors[1], 2);
        execv(request->argv[0], request->argv);
        dprintf(2, "%s cannot be started: %s", request->argv[0], strerror(errno));
        _exit(127);
    }
    if (input[0] >= 0) close(input[0]), input[0] = -1;
    if (output[1] >= 0) close(output[1]), output[1] = -1;
    close(errors[1]);
    errors[1] = -1;

    int status = 0;
    if (console >= 0) {
        // runc sends the terminal before it ends; when it fails it never connects.
        struct pollfd waiting = {.fd = console, .events = POLLIN};
        while (request->terminal_fd < 0) {
            int ready = poll(&waiting, 1, 50);
            if (ready > 0) {
                int connection = accept4(console, NULL, NULL, SOCK_CLOEXEC);
                if (connection >= 0) {
                    request->terminal_fd = receive_descriptor(connection);
                    close(connection);
                }
            }
            siginfo_t info = {0};
            if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child && ready <= 0) break;
        }
        close(console);
        console = -1;
        unlink("console.sock");
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        read_error(errors[0], request->error, sizeof request->error);
        if (request->error[0] == 0) snprintf(request->error, sizeof request->error, "%s failed", request->argv[0]);
        goto cleanup;
    }
    request->pid = (pid_t)read_long(request->pid_file);
    if (request->pid <= 0) {
        snprintf(request->error, sizeof request->error, "%s left no process id in %s", request->argv[0], request->pid_file);
        goto cleanup;
    }
    request->stdin_fd = input[1];
    request->stdout_fd = output[0];
    if (request->terminal) {
        close(errors[0]);
    } else {
        request->stderr_fd = errors[0];
    }
    return true;

failed:
    snprintf(request->error, sizeof request->error, "the container's streams cannot be made: %s", strerror(errno));
cleanup:
    close_pair(input);
    close_pair(output);
    close_pair(errors);
    if (console >= 0) close(console);
    if (request->terminal_fd >= 0) close(request->terminal_fd);
    return false;
}

bool set_terminal_size(int fd, uint16_t columns, uint16_t rows) {
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    return ioctl(fd, TIOCSWINSZ, &size) == 0;
}
