#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define POLL_FIXED 5

struct client {
    int fd;
    struct frame_reader reader;
};

static struct client clients[CLIENTS_MAX];
static struct launch container;
static bool closes_stdin_after_first;
static struct log_stream out_stream = {.name = "stdout"}, err_stream = {.name = "stderr"};

static const char *runc = "/usr/sbin/runc", *root, *id, *directory, *log_file, *cgroup;

static struct input input = {.fd = -1};

static void take_frame(void *context, uint8_t type, const uint8_t *payload, size_t length) {
    (void)context;
    if (type == FRAME_STDIN) {
        input_put(&input, payload, length);
    } else if (type == FRAME_STDIN_END && closes_stdin_after_first) {
        input_end(&input);
    } else if (type == FRAME_RESIZE && length == 4 && container.terminal_fd >= 0) {
        set_terminal_size(container.terminal_fd, (uint16_t)(payload[0] << 8 | payload[1]), (uint16_t)(payload[2] << 8 | payload[3]));
    }
}

static void drop_client(struct client *client) {
    close(client->fd);
    client->fd = -1;
    client->reader.length = 0;
}

// Attached clients never slow the container down: one that does not read is dropped.
static void broadcast(uint8_t type, const char *data, size_t length) {
    uint8_t head[5] = {type, 0, 0, (uint8_t)(length >> 8), (uint8_t)length};
    for (int index = 0; index < CLIENTS_MAX; index++) {
        struct client *client = &clients[index];
        if (client->fd < 0) continue;
        struct iovec parts[2] = {{.iov_base = head, .iov_len = 5}, {.iov_base = (void *)data, .iov_len = length}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        if (sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)(5 + length)) drop_client(client);
    }
}

static bool pump(int fd, uint8_t type, struct log_stream *stream) {
    static char buffer[32768];
    ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    if (count == 0) return false;
    log_append(stream, buffer, (size_t)count);
    broadcast(type, buffer, (size_t)count);
    return true;
}

static void accept_client(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    int size = 1 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int index = 0; index < CLIENTS_MAX; index++) {
        if (clients[index].fd < 0) {
            clients[index].fd = fd;
            clients[index].reader.length = 0;
            return;
        }
    }
    close(fd);
}

// The kernel counts kills by the memory limit per group: `oom_kill N` in memory.oom_control (v1) or memory.events (v2).
static bool was_out_of_memory(void) {
    if (!cgroup) return false;
    static const char *const forms[] = {"/sys/fs/cgroup/memory%s/memory.oom_control", "/sys/fs/cgroup%s/memory.events"};
    for (int index = 0; index < 2; index++) {
        char path[4096], text[1024] = {0};
        snprintf(path, sizeof path, forms[index], cgroup);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        ssize_t count = read(fd, text, sizeof text - 1);
        close(fd);
        const char *line = count > 0 ? strstr(text, "oom_kill ") : NULL;
        if (line) return strtol(line + strlen("oom_kill "), NULL, 10) > 0;
    }
    return false;
}

static void write_exit(int code, int signal_number, const char *started, const char *failure) {
    static char text[12288];
    char finished[40];
    timestamp(finished);
    size_t length = (size_t)snprintf(
        text, sizeof text, "{\"exitCode\":%d,\"signal\":%d,\"oomKilled\":%s,\"finishedAt\":\"%s\"", code, signal_number,
        was_out_of_memory() ? "true" : "false", finished);
    if (started) length += (size_t)snprintf(text + length, sizeof text - length, ",\"startedAt\":\"%s\"", started);
    if (failure) {
        length += (size_t)snprintf(text + length, sizeof text - length, ",\"startError\":");
        length += json_quote(text + length, sizeof text - length - 8, failure);
    }
    text[length++] = '}';
    while (!write_file_atomically("exit.json", text, length)) {
        // A full disk: the agent waits for this file, so it must come in the end.
        usleep(500000);
    }
}

static void delete_container(void) {
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execl(runc, "runc", "--root", root, "delete", "--force", id, (char *)NULL);
        _exit(127);
    }
    int status;
    if (child > 0) waitpid(child, &status, 0);
}

static int supervise(int signals, int listener, const char *started) {
    bool exited = false;
    long long deadline = 0;
    int status = 0;
    int main_out = container.terminal ? container.terminal_fd : container.stdout_fd;
    input.is_terminal = container.terminal;
    input_open(&input, container.terminal ? container.terminal_fd : container.stdin_fd);
    struct pollfd polls[POLL_FIXED + CLIENTS_MAX];
    polls[0] = (struct pollfd){.fd = signals, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = listener, .events = POLLIN};
    polls[2] = (struct pollfd){.fd = main_out, .events = POLLIN};
    polls[3] = (struct pollfd){.fd = container.stderr_fd, .events = POLLIN};
    for (;;) {
        int collected;
        pid_t child;
        while ((child = waitpid(-1, &collected, WNOHANG)) > 0) {
            if (child == container.pid) {
                exited = true;
                status = collected;
                deadline = now_ms() + 300;
            }
        }
        // Someone outside the container's process namespace may still hold its output open.
        if (exited && ((polls[2].fd < 0 && polls[3].fd < 0) || now_ms() >= deadline)) break;
        polls[4] = (struct pollfd){.fd = input.length > 0 ? input.fd : -1, .events = POLLOUT};
        for (int index = 0; index < CLIENTS_MAX; index++) {
            polls[POLL_FIXED + index] = (struct pollfd){.fd = input.length > 0 ? -1 : clients[index].fd, .events = POLLIN};
        }
        int ready = poll(polls, POLL_FIXED + CLIENTS_MAX, exited ? 20 : -1);
        if (ready < 0 && errno != EINTR) break;
        if (ready <= 0) continue;
        if (polls[0].revents) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) > 0) {}
        }
        if (polls[1].revents) accept_client(listener);
        if (polls[4].revents) input_flush(&input);
        if (polls[2].revents) {
            if (pump(polls[2].fd, FRAME_STDOUT, &out_stream)) {
                if (exited) deadline = now_ms() + 300;
            } else {
                polls[2].fd = -1;
            }
        }
        if (polls[3].revents) {
            if (pump(polls[3].fd, FRAME_STDERR, &err_stream)) {
                if (exited) deadline = now_ms() + 300;
            } else {
                polls[3].fd = -1;
            }
        }
        for (int index = 0; index < CLIENTS_MAX; index++) {
            if (polls[POLL_FIXED + index].revents == 0 || clients[index].fd < 0) continue;
            if (!frame_read(&clients[index].reader, clients[index].fd, take_frame, NULL)) {
                drop_client(&clients[index]);
                if (closes_stdin_after_first) input_end(&input);
            }
        }
    }
    log_flush(&out_stream);
    log_flush(&err_stream);
    int signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    write_exit(signal_number ? 128 + signal_number : WEXITSTATUS(status), signal_number, started, NULL);
    return 0;
}

// run --root R --id I --dir D --log L …: starts the container whose bundle is D. Prints nothing and returns 0 once the container runs;
// prints the reason and returns 1 when it does not. A copy of this process stays until the container ends and writes D/exit.json.
int run_command(int argc, char **argv) {
    long long log_max = 10LL << 20;
    int log_files = 5;
    for (int index = 0; index < argc; index++) {
        const char *option = argv[index];
        if (strcmp(option, "--terminal") == 0) {
            container.terminal = true;
            continue;
        }
        if (strcmp(option, "--stdin") == 0) {
            container.wants_stdin = true;
            continue;
        }
        if (strcmp(option, "--stdin-once") == 0) {
            closes_stdin_after_first = true;
            continue;
        }
        if (index + 1 >= argc) die("%s needs a value", option);
        const char *value = argv[++index];
        if (strcmp(option, "--runc") == 0) runc = value;
        else if (strcmp(option, "--root") == 0) root = value;
        else if (strcmp(option, "--id") == 0) id = value;
        else if (strcmp(option, "--dir") == 0) directory = value;
        else if (strcmp(option, "--log") == 0) log_file = value;
        else if (strcmp(option, "--log-max-bytes") == 0) log_max = strtoll(value, NULL, 10);
        else if (strcmp(option, "--log-files") == 0) log_files = (int)strtol(value, NULL, 10);
        else if (strcmp(option, "--cgroup") == 0) cgroup = value;
        else die("unknown option %s", option);
    }
    if (!root || !id || !directory || !log_file) die("--root, --id, --dir and --log are required");
    if (chdir(directory) != 0) die("%s: %s", directory, strerror(errno));
    for (int index = 0; index < CLIENTS_MAX; index++) clients[index].fd = -1;

    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) die("pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) die("fork: %s", strerror(errno));
    if (child > 0) {
        close(report[1]);
        char text[4096];
        size_t length = 0;
        ssize_t count;
        while (length < sizeof text && (count = read(report[0], text + length, sizeof text - length)) > 0) length += (size_t)count;
        if (length == 2 && memcmp(text, "ok", 2) == 0) return 0;
        write_all(2, text, length);
        return 1;
    }
    // From here on this process belongs to the container, not to the agent.
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    for (int number = 1; number < 32; number++) {
        if (number == SIGHUP || number == SIGINT || number == SIGTERM || number == SIGPIPE) signal(number, SIG_IGN);
    }
    // The agent takes the lock's being free as a sign that nobody watches this container any more.
    int lock = open("monitor.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool is_locked = false;
    // Someone who only looks whether the lock is free holds it for an instant.
    for (int attempt = 0; lock >= 0 && attempt < 100 && !is_locked; attempt++) {
        is_locked = flock(lock, LOCK_EX | LOCK_NB) == 0;
        if (!is_locked) usleep(10000);
    }
    if (!is_locked) {
        dprintf(report[1], "container %s already has a monitor", id);
        return 1;
    }
    dprintf(lock, "%d", (int)getpid());
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (!log_open(log_file, log_max, log_files)) {
        dprintf(report[1], "%s: %s", log_file, strerror(errno));
        return 1;
    }
    int listener = listen_unix("attach.sock");

    char *arguments[20];
    int count = 0;
    arguments[count++] = (char *)runc;
    arguments[count++] = "--root";
    arguments[count++] = (char *)root;
    arguments[count++] = "--log";
    arguments[count++] = "/dev/null";
    arguments[count++] = "run";
    arguments[count++] = "--detach";
    arguments[count++] = "--bundle";
    arguments[count++] = (char *)directory;
    arguments[count++] = "--pid-file";
    arguments[count++] = "init.pid";
    if (container.terminal) {
        arguments[count++] = "--console-socket";
        arguments[count++] = "console.sock";
    }
    arguments[count++] = (char *)id;
    arguments[count] = NULL;
    container.argv = arguments;
    container.pid_file = "init.pid";
    char started[40];
    timestamp(started);
    if (!launch(&container)) {
        write_exit(128, 0, NULL, container.error);
        delete_container();
        write_all(report[1], container.error, strlen(container.error));
        return 1;
    }
    timestamp(started);
    if (!write_file_atomically("started", started, strlen(started))) { /* The agent then shows the time of its own record. */ }
    write_all(report[1], "ok", 2);
    close(report[1]);
    supervise(signals, listener, started);
    delete_container();
    unlink("attach.sock");
    return 0;
}
