#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static struct launch command;

static struct input input = {.fd = -1};

static void take_frame(void *context, uint8_t type, const uint8_t *payload, size_t length) {
    (void)context;
    if (type == FRAME_STDIN) {
        input_put(&input, payload, length);
    } else if (type == FRAME_STDIN_END) {
        input_end(&input);
    } else if (type == FRAME_RESIZE && length == 4 && command.terminal_fd >= 0) {
        set_terminal_size(command.terminal_fd, (uint16_t)(payload[0] << 8 | payload[1]), (uint16_t)(payload[2] << 8 | payload[3]));
    }
}

// Sends what `fd` holds as frames of `type`; false at its end.
static bool forward(int fd, uint8_t type) {
    static char buffer[32768];
    ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    return frame_write(1, type, buffer, (size_t)count);
}

// exec DIR [--terminal] [--stdin] -- RUNC ARGS… exec …: runs a command in a container and joins it with stdin and stdout in
// frames; ends with one exit frame. Ends the command when stdin closes, unless --no-input says that none was given. DIR is a fresh
// folder of this call.
int exec_command(int argc, char **argv) {
    if (argc < 3) die("usage: outrigger-monitor exec DIR [--terminal] [--stdin] [--no-input] -- RUNC …");
    if (chdir(argv[0]) != 0) die("%s: %s", argv[0], strerror(errno));
    int next = 1;
    bool takes_input = true;
    for (; next < argc && strcmp(argv[next], "--") != 0; next++) {
        if (strcmp(argv[next], "--terminal") == 0) command.terminal = true;
        if (strcmp(argv[next], "--stdin") == 0) command.wants_stdin = true;
        if (strcmp(argv[next], "--no-input") == 0) takes_input = false;
    }
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    command.argv = argv + next + 1;
    // runc dials from another folder; this form is short whatever DIR is.
    static char console[64];
    snprintf(console, sizeof console, "/proc/%d/cwd/console.sock", (int)getpid());
    for (int index = next + 1; index < argc; index++) {
        if (strcmp(argv[index], "--console-socket") == 0 && index + 1 < argc) {
            argv[index + 1] = console;
            break;
        }
    }
    command.pid_file = "exec.pid";
    if (!launch(&command)) {
        char payload[sizeof command.error + 4];
        memset(payload, 0xff, 4);
        size_t length = strlen(command.error);
        memcpy(payload + 4, command.error, length);
        frame_write(1, FRAME_EXIT, payload, 4 + length);
        return 0;
    }
    input.is_terminal = command.terminal;
    input_open(&input, command.terminal ? command.terminal_fd : command.stdin_fd);
    static struct frame_reader reader;
    bool exited = false, is_connected = takes_input;
    long long deadline = 0;
    int status = 0, main_out = command.terminal ? command.terminal_fd : command.stdout_fd;
    struct pollfd polls[5] = {
        {.fd = signals, .events = POLLIN},
        {.fd = 0, .events = POLLIN},
        {.fd = main_out, .events = POLLIN},
        {.fd = command.stderr_fd, .events = POLLIN},
        {.fd = -1, .events = POLLOUT},
    };
    for (;;) {
        int exited_pid;
        int collected;
        while ((exited_pid = waitpid(-1, &collected, WNOHANG)) > 0) {
            if (exited_pid == command.pid) {
                exited = true;
                status = collected;
                deadline = now_ms() + 200;
            }
        }
        if (exited && ((polls[2].fd < 0 && polls[3].fd < 0) || now_ms() >= deadline)) break;
        polls[1].fd = is_connected && input.length == 0 ? 0 : -1;
        polls[4].fd = input.length > 0 ? input.fd : -1;
        int ready = poll(polls, 5, exited ? 20 : -1);
        if (ready < 0 && errno != EINTR) break;
        if (ready <= 0) continue;
        if (polls[0].revents) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) > 0) {
                if (info.ssi_signo == SIGTERM && !exited) kill(command.pid, SIGKILL);
            }
        }
        if (polls[4].revents) input_flush(&input);
        if (polls[1].revents && !frame_read(&reader, 0, take_frame, NULL)) {
            is_connected = false;
            if (!exited) kill(command.pid, SIGKILL);
        }
        if (polls[2].revents && !forward(polls[2].fd, FRAME_STDOUT)) polls[2].fd = -1;
        if (polls[3].revents && !forward(polls[3].fd, FRAME_STDERR)) polls[3].fd = -1;
    }
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    uint8_t payload[4] = {0, 0, 0, (uint8_t)code};
    frame_write(1, FRAME_EXIT, payload, 4);
    return 0;
}
