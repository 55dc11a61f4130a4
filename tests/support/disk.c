/* Keeps a second copy of a folder's files, in the state in which they were last synced: what a power failure leaves.
 *
 * A file `a/b` is kept as `a%b`, and the names that are in a folder `a` are kept in `a%`. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *folder, *kept;

__attribute__((constructor)) static void begin(void) {
    folder = getenv("FORGETFUL_FOLDER");
    kept = getenv("FORGETFUL_KEPT");
}

static int write_all(int to, const char *bytes, ssize_t length) {
    while (length > 0) {
        ssize_t written = write(to, bytes, length);
        if (written < 0) return -1;
        bytes += written;
        length -= written;
    }
    return 0;
}

static int copy(int from, int to) {
    static __thread char bytes[1 << 16];
    off_t at = 0;
    for (;;) {
        ssize_t length = pread(from, bytes, sizeof bytes, at);
        if (length <= 0) return (int)length;
        if (write_all(to, bytes, length)) return -1;
        at += length;
    }
}

static int copy_names(const char *path, int to) {
    DIR *names = opendir(path);
    if (!names) return -1;
    int result = 0;
    for (struct dirent *name; !result && (name = readdir(names));)
        result = write_all(to, name->d_name, strlen(name->d_name)) || write_all(to, "\n", 1);
    closedir(names);
    return result;
}

static int keep(int from, const char *path, int is_folder) {
    char flat[PATH_MAX], half[PATH_MAX + 32], whole[2 * PATH_MAX];
    snprintf(flat, sizeof flat, "%s%s", path[0] ? path + 1 : "", is_folder ? "%" : "");
    for (char *slash = flat; (slash = strchr(slash, '/'));) *slash = '%';
    snprintf(half, sizeof half, "%s/.%ld", kept, (long)syscall(SYS_gettid));
    snprintf(whole, sizeof whole, "%s/%s", kept, flat);
    int to = open(half, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0) return -1;
    char full[2 * PATH_MAX];
    snprintf(full, sizeof full, "%s%s", folder, path);
    int result = is_folder ? copy_names(full, to) : copy(from, to);
    close(to);
    /* A process that is killed here has not been told that anything was synced. */
    return result ? -1 : rename(half, whole);
}

static int sync_file(int file) {
    char link[64], path[PATH_MAX];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || fstat(file, &status)) return -1;
    path[length] = 0;
    size_t prefix = folder && kept ? strlen(folder) : 0;
    if (!prefix || strncmp(path, folder, prefix) || (path[prefix] && path[prefix] != '/')) return 0;
    if (S_ISDIR(status.st_mode)) return keep(-1, path + prefix, 1);
    if (!S_ISREG(status.st_mode)) return 0;
    if ((fcntl(file, F_GETFL) & O_ACCMODE) != O_WRONLY) return keep(file, path + prefix, 0);
    /* Not done to others: to close a file is to lose its locks. */
    int again = open(link, O_RDONLY);
    if (again < 0) return -1;
    int result = keep(again, path + prefix, 0);
    close(again);
    return result;
}

int fsync(int file) {
    return sync_file(file) ? (errno = EIO, -1) : 0;
}

int fdatasync(int file) {
    return fsync(file);
}
