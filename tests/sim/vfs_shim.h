/*
 * vfs_shim.h - a SQLite VFS that stands in front of the real one: every write, truncate, sync and delete of a journal's files
 * goes through the hooks of the test, which may look, count, change or refuse. Included by one test each.
 */
#ifndef SIM_VFS_SHIM_H
#define SIM_VFS_SHIM_H

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum shim_kind { SHIM_DATABASE, SHIM_WAL, SHIM_ROLLBACK, SHIM_KINDS, SHIM_OTHER = SHIM_KINDS };

/* Called before the real operation. A result other than SQLITE_OK is returned in its place; NULL = no hook. */
struct shim_hooks {
    int (*write)(enum shim_kind kind, const void *bytes, int size, sqlite3_int64 offset, int *write_only);
    int (*truncate)(enum shim_kind kind, sqlite3_int64 size);
    int (*sync)(enum shim_kind kind);
    int (*remove)(enum shim_kind kind, int synced);
};

struct shim_file {
    sqlite3_file base;
    enum shim_kind kind;
    int last_errno; /* of the last refused write, as the real file would keep it */
    sqlite3_file *real;
};

static const struct shim_hooks *shim_hooks;
static sqlite3_vfs *shim_real;

static sqlite3_file *shim_inner(sqlite3_file *file) {
    return ((struct shim_file *)file)->real;
}

static int shim_close(sqlite3_file *file) {
    sqlite3_file *real = shim_inner(file);
    int result = real->pMethods != NULL ? real->pMethods->xClose(real) : SQLITE_OK;
    free(real);
    return result;
}

static int shim_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset) {
    return shim_inner(file)->pMethods->xRead(shim_inner(file), bytes, size, offset);
}

/* A refused write may still have written `write_only` bytes: a short write. */
static int shim_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset) {
    struct shim_file *shim = (struct shim_file *)file;
    int write_only = 0;
    int result = SQLITE_OK;
    if (shim->kind != SHIM_OTHER && shim_hooks->write != NULL) {
        result = shim_hooks->write(shim->kind, bytes, size, offset, &write_only);
    }
    if (result == SQLITE_OK) {
        return shim->real->pMethods->xWrite(shim->real, bytes, size, offset);
    }
    shim->last_errno = errno;
    if (write_only > 0) {
        shim->real->pMethods->xWrite(shim->real, bytes, write_only, offset);
    }
    return result;
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
    const struct shim_file *shim = (const struct shim_file *)file;
    int result = shim->kind != SHIM_OTHER && shim_hooks->truncate != NULL ? shim_hooks->truncate(shim->kind, size) : SQLITE_OK;
    return result != SQLITE_OK ? result : shim->real->pMethods->xTruncate(shim->real, size);
}

/* The real sync is left out: the test keeps its own account of what is on the disk. */
static int shim_sync(sqlite3_file *file, int flags) {
    const struct shim_file *shim = (const struct shim_file *)file;
    (void)flags;
    return shim->kind != SHIM_OTHER && shim_hooks->sync != NULL ? shim_hooks->sync(shim->kind) : SQLITE_OK;
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size) {
    return shim_inner(file)->pMethods->xFileSize(shim_inner(file), size);
}

static int shim_lock(sqlite3_file *file, int level) {
    return shim_inner(file)->pMethods->xLock(shim_inner(file), level);
}

static int shim_unlock(sqlite3_file *file, int level) {
    return shim_inner(file)->pMethods->xUnlock(shim_inner(file), level);
}

static int shim_check_lock(sqlite3_file *file, int *out) {
    return shim_inner(file)->pMethods->xCheckReservedLock(shim_inner(file), out);
}

static int shim_control(sqlite3_file *file, int operation, void *argument) {
    if (operation == SQLITE_FCNTL_LAST_ERRNO) {
        *(int *)argument = ((struct shim_file *)file)->last_errno;
        return SQLITE_OK;
    }
    return shim_inner(file)->pMethods->xFileControl(shim_inner(file), operation, argument);
}

static int shim_sector(sqlite3_file *file) {
    (void)file;
    return 512;
}

static int shim_device(sqlite3_file *file) {
    return shim_inner(file)->pMethods->xDeviceCharacteristics(shim_inner(file));
}

static int shim_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
    return shim_inner(file)->pMethods->xShmMap(shim_inner(file), page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return shim_inner(file)->pMethods->xShmLock(shim_inner(file), offset, count, flags);
}

static void shim_shm_barrier(sqlite3_file *file) {
    shim_inner(file)->pMethods->xShmBarrier(shim_inner(file));
}

static int shim_shm_unmap(sqlite3_file *file, int remove) {
    return shim_inner(file)->pMethods->xShmUnmap(shim_inner(file), remove);
}

static const sqlite3_io_methods shim_methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check_lock,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) {
    struct shim_file *shim = (struct shim_file *)file;
    (void)vfs;
    shim->base.pMethods = NULL;
    shim->last_errno = 0;
    shim->kind = flags & SQLITE_OPEN_MAIN_DB        ? SHIM_DATABASE
                 : flags & SQLITE_OPEN_WAL          ? SHIM_WAL
                 : flags & SQLITE_OPEN_MAIN_JOURNAL ? SHIM_ROLLBACK
                                                    : SHIM_OTHER;
    shim->real = calloc(1, (size_t)shim_real->szOsFile);
    if (shim->real == NULL) {
        return SQLITE_NOMEM;
    }
    int result = shim_real->xOpen(shim_real, name, shim->real, flags, out);
    if (result != SQLITE_OK) {
        free(shim->real);
        return result;
    }
    shim->base.pMethods = &shim_methods;
    return SQLITE_OK;
}

static int shim_delete(sqlite3_vfs *vfs, const char *name, int synced) {
    size_t length = strlen(name);
    enum shim_kind kind = length > 4 && strcmp(name + length - 4, "-wal") == 0       ? SHIM_WAL
                          : length > 8 && strcmp(name + length - 8, "-journal") == 0 ? SHIM_ROLLBACK
                                                                                     : SHIM_DATABASE;
    (void)vfs;
    int result = shim_hooks->remove != NULL ? shim_hooks->remove(kind, synced) : SQLITE_OK;
    return result != SQLITE_OK ? result : shim_real->xDelete(shim_real, name, 0);
}

static int shim_register(const char *name, const struct shim_hooks *hooks) {
    static sqlite3_vfs vfs;
    shim_real = sqlite3_vfs_find("unix");
    if (shim_real == NULL) {
        return SQLITE_ERROR;
    }
    shim_hooks = hooks;
    vfs = *shim_real;
    vfs.pNext = NULL;
    vfs.zName = name;
    vfs.szOsFile = sizeof(struct shim_file);
    vfs.xOpen = shim_open;
    vfs.xDelete = shim_delete;
    return sqlite3_vfs_register(&vfs, 0);
}

#endif
