/*
 * journal_files.c - the files beside the database: who owns it, and the space kept for exits.
 *
 * Guarantees: one process at a time holds a journal (flock on PATH.lock, which dies with its holder; the file holds its pid
 * for the message only); everything is made with mode 0600; the directory is synced after files were made or removed,
 * because a name that is not on disk is a journal that is not there; the reserve is really allocated, and really given back
 * before the call returns (a file system may keep freed blocks until its own transaction ends, hence the syncs).
 *
 * Deliberately not here: opening the database file while SQLite has it open. Closing any descriptor of a file drops every
 * POSIX lock the process holds on it, SQLite's included; so the file is created before SQLite opens it and never touched after.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ledger/journal_private.h"

#define NFS_MAGIC 0x6969L
#define CIFS_MAGIC 0xff534d42L
#define SMB2_MAGIC 0xfe534d42L

static int path_join(char *to, const char *path, const char *suffix, struct error *error) {
    int length = snprintf(to, JOURNAL_PATH_MAX, "%s%s", path, suffix);
    if (length < 0 || length >= JOURNAL_PATH_MAX) {
        return error_set(error, ERROR_RANGE, "%s: the path is longer than %d bytes", path, JOURNAL_PATH_MAX - 1);
    }
    return 0;
}

static void path_directory(char *path) {
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        path[0] = '.';
        path[1] = '\0';
    } else {
        slash[slash == path ? 1 : 0] = '\0';
    }
}

/* A write-ahead log needs shared memory and locks that network file systems only pretend to have. */
static int directory_open(struct files *files, struct error *error) {
    files->directory_fd = open(files->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->directory_fd < 0) {
        return error_set_errno(error, "%s: the journal's directory", files->directory);
    }
    struct statfs system;
    if (fstatfs(files->directory_fd, &system) != 0) {
        return error_set_errno(error, "%s: statfs", files->directory);
    }
    long type = (long)(system.f_type & 0xffffffffL);
    if (type == NFS_MAGIC || type == CIFS_MAGIC || type == SMB2_MAGIC) {
        return error_set(error, ERROR_REFUSED, "%s: a journal needs a local disk, this is a network file system (0x%lx)",
                         files->directory, (unsigned long)type);
    }
    return 0;
}

static int lock_refuse(int fd, const char *path, struct error *error) {
    char text[32] = "";
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return error_set(error, ERROR_REFUSED, "%s: another host (pid %s) holds this journal", path, text[0] != '\0' ? text : "unknown");
}

static int lock_take(struct files *files, const char *path, struct error *error) {
    char name[JOURNAL_PATH_MAX];
    int code = path_join(name, path, ".lock", error);
    if (code != 0) {
        return code;
    }
    files->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (files->lock_fd < 0) {
        return error_set_errno(error, "%s: cannot be opened", name);
    }
    if (flock(files->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? lock_refuse(files->lock_fd, path, error) : error_set_errno(error, "%s: flock", name);
    }
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(files->lock_fd, 0) != 0 || pwrite(files->lock_fd, text, (size_t)length, 0) < 0) {
        /* The pid only serves a message, and a full disk must not keep a host from starting: the lock itself is held. */
        errno = 0;
    }
    return 0;
}

static int database_make(const char *path, struct error *error) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        int code = fsync(fd) != 0 ? error_set_errno(error, "%s: fsync", path) : 0;
        close(fd);
        return code;
    }
    if (errno != EEXIST) {
        return error_set_errno(error, "%s: cannot be created", path);
    }
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
        return error_set(error, ERROR_REFUSED, "%s: is not a regular file", path);
    }
    if ((status.st_mode & 077) != 0 && chmod(path, 0600) != 0) {
        return error_set_errno(error, "%s: chmod 0600", path);
    }
    return 0;
}

int files_open(struct files *files, const char *path, struct error *error) {
    files->directory_fd = files->lock_fd = files->reserve_fd = -1;
    int code = path_join(files->directory, path, "", error);
    if (code != 0) {
        return code;
    }
    path_directory(files->directory);
    code = path_join(files->reserve, path, ".reserve", error);
    if (code == 0) {
        code = directory_open(files, error);
    }
    if (code == 0) {
        code = lock_take(files, path, error);
    }
    return code != 0 ? code : database_make(path, error);
}

int files_sync(struct files *files, struct error *error) {
    if (fsync(files->directory_fd) != 0) {
        return error_set_errno(error, "%s: fsync", files->directory);
    }
    return 0;
}

int files_reserve_make(struct files *files, uint64_t bytes, struct error *error) {
    if (bytes == 0) {
        return 0;
    }
    if (bytes > (uint64_t)INT64_MAX) {
        return error_set(error, ERROR_RANGE, "%s: %llu bytes is not a size", files->reserve, (unsigned long long)bytes);
    }
    int fd = open(files->reserve, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set_errno(error, "%s: cannot be opened", files->reserve);
    }
    errno = posix_fallocate(fd, 0, (off_t)bytes);
    if (errno != 0 || fsync(fd) != 0) {
        int code = error_set_errno(error, "%s: cannot reserve %llu bytes", files->reserve, (unsigned long long)bytes);
        close(fd);
        unlink(files->reserve);
        return code;
    }
    files->reserve_fd = fd; /* kept open, so that releasing it needs no new descriptor */
    return 0;
}

/* Best effort at each step: whatever was freed helps, and the next commit shows whether it was enough. */
void files_reserve_release(struct files *files) {
    if (files->reserve_fd < 0) {
        return;
    }
    if (ftruncate(files->reserve_fd, 0) == 0) {
        fsync(files->reserve_fd);
    }
    close(files->reserve_fd);
    files->reserve_fd = -1;
    unlink(files->reserve);
    fsync(files->directory_fd);
}

void files_close(struct files *files) {
    int *fds[] = {&files->reserve_fd, &files->directory_fd, &files->lock_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
        }
        *fds[i] = -1;
    }
}
