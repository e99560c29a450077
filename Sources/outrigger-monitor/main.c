#include "monitor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "run") == 0) return run_command(argc - 2, argv + 2);
    if (strcmp(command, "exec") == 0) return exec_command(argc - 2, argv + 2);
    if (strcmp(command, "sandbox") == 0) return sandbox_command(argc - 2, argv + 2);
    if (strcmp(command, "connect") == 0) return connect_command(argc - 2, argv + 2);
    if (strcmp(command, "whiteouts") == 0) return whiteouts_command(argc - 2, argv + 2);
    fprintf(stderr, "usage: outrigger-monitor run|exec|sandbox|connect|whiteouts (started by the outrigger node agent)\n");
    return 64;
}
