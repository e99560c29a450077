#define _GNU_SOURCE
#include "monitor.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

// Image layers mark deletions with ".wh." files; overlayfs wants character devices 0/0 and an attribute of the folder.
static int convert(const char *path, const struct stat *status, int kind, struct FTW *position) {
    (void)status;
    const char *name = path + position->base;
    if (kind == FTW_D || strncmp(name, ".wh.", 4) != 0) return 0;
    char other[4096];
    if (snprintf(other, sizeof other, "%.*s%s", position->base, path, name + 4) >= (int)sizeof other) return ENAMETOOLONG;
    if (unlink(path) != 0) return errno;
    if (strcmp(name, ".wh..wh..opq") == 0) {
        other[position->base > 1 ? position->base - 1 : 1] = 0;
        return setxattr(other, "trusted.overlay.opaque", "y", 1, 0) == 0 ? 0 : errno;
    }
    return mknod(other, S_IFCHR, makedev(0, 0)) == 0 || errno == EEXIST ? 0 : errno;
}

// whiteouts DIR: prepares an unpacked image layer for overlayfs.
int whiteouts_command(int argc, char **argv) {
    if (argc != 1) die("usage: outrigger-monitor whiteouts DIR");
    int result = nftw(argv[0], convert, 32, FTW_PHYS | FTW_DEPTH);
    if (result != 0) die("%s: %s", argv[0], strerror(result > 0 ? result : errno));
    return 0;
}
