#define _GNU_SOURCE
#include "monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static void keep_namespace(const char *kind, const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) die("%s: %s", path, strerror(errno));
    close(fd);
    char source[64];
    snprintf(source, sizeof source, "/proc/self/ns/%s", kind);
    if (mount(source, path, NULL, MS_BIND, NULL) != 0) die("bind mount %s on %s: %s", source, path, strerror(errno));
}

// sandbox HOSTNAME NET|- IPC|- UTS|-: makes the namespaces and keeps each by a bind mount at the given path.
int sandbox_command(int argc, char **argv) {
    if (argc != 4) die("usage: outrigger-monitor sandbox HOSTNAME NET|- IPC|- UTS|-");
    static const char *const kinds[] = {"net", "ipc", "uts"};
    static const int flags[] = {CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS};
    int wanted = 0;
    for (int index = 0; index < 3; index++) {
        if (strcmp(argv[index + 1], "-") != 0) wanted |= flags[index];
    }
    if (wanted && unshare(wanted) != 0) die("unshare: %s", strerror(errno));
    if (wanted & CLONE_NEWUTS && sethostname(argv[0], strlen(argv[0])) != 0) die("sethostname: %s", strerror(errno));
    for (int index = 0; index < 3; index++) {
        if (wanted & flags[index]) keep_namespace(kinds[index], argv[index + 1]);
    }
    return 0;
}

// connect NETNS|- PORT: dials 127.0.0.1:PORT (then ::1) inside the network namespace and joins it with stdin and stdout.
int connect_command(int argc, char **argv) {
    if (argc != 2) die("usage: outrigger-monitor connect NETNS|- PORT");
    if (strcmp(argv[0], "-") != 0) {
        int namespace = open(argv[0], O_RDONLY | O_CLOEXEC);
        if (namespace < 0 || setns(namespace, CLONE_NEWNET) != 0) die("%s: %s", argv[0], strerror(errno));
        close(namespace);
    }
    uint16_t port = htons((uint16_t)strtol(argv[1], NULL, 10));
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&v4, sizeof v4) != 0) {
        int reason = errno;
        if (fd >= 0) close(fd);
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&v6, sizeof v6) != 0) {
            die("connect to port %s inside the pod: %s", argv[1], strerror(reason));
        }
    }
    static char buffer[65536];
    struct pollfd sides[2] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    while (sides[1].fd >= 0) {
        if (poll(sides, 2, -1) < 0 && errno != EINTR) break;
        for (int side = 0; side < 2; side++) {
            if (sides[side].fd < 0 || sides[side].revents == 0) continue;
            ssize_t count = read(sides[side].fd, buffer, sizeof buffer);
            if (count > 0) {
                if (!write_all(side == 0 ? fd : 1, buffer, (size_t)count)) return 0;
            } else {
                if (side == 0) shutdown(fd, SHUT_WR);
                sides[side].fd = -1;
            }
        }
    }
    return 0;
}
