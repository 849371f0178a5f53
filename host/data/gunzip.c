/*
 * gunzip.c - gzip decompression, ahead of its reader.
 *
 * Guarantees: memory is one input buffer and a ring of chunks, however well the file is packed; a stream that ends early,
 * fails its checksum or is followed by garbage is an integrity failure, never a short file. Several members in a row are one
 * stream, as gzip defines it, and zero bytes at the end (tapes, block devices) are nothing.
 *
 * zlib takes twice as long per byte as everything else that is done to a bar file, so for files of some size it gets a
 * thread: reading then costs what zlib alone costs. The thread lives inside one reading, takes no signals, and shares the
 * ring of chunks with its reader, nothing else; the bytes are the same with and without it.
 */
#include "gunzip.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define PACKED_BYTES ((size_t)64 << 10)
#define CHUNK_BYTES ((size_t)128 << 10)
#define CHUNKS 4
#define GZIP_WINDOW (15 + 16) /* zlib: largest window, gzip wrapping */

/* The decompressor; belongs to the thread while there is one. */
struct stream {
    const char *path;
    int file;
    bool inside_member; /* between a gzip header and its trailer */
    bool ended;
    z_stream inflater;
    unsigned char packed[PACKED_BYTES];
    struct error *error;
};

struct gunzip {
    struct stream stream;
    struct error failure;     /* of the stream */
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock;     /* over all below */
    pthread_cond_t changed;
    size_t made, taken;       /* chunks since the start */
    size_t sizes[CHUNKS];
    bool done, stop;          /* the thread made its last chunk; it shall make no more */
    int code;                 /* how the stream ended */
    size_t offset;            /* the reader's, in the chunk it is at */
    unsigned char chunks[CHUNKS][CHUNK_BYTES];
};

bool gunzip_magic(const unsigned char *bytes, size_t size) {
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/* ---- one stream ------------------------------------------------------------------------------------------------------------- */

/* More compressed bytes when there are none left; avail_in == 0 afterwards = end of the file. */
static int packed_refill(struct stream *stream) {
    while (stream->inflater.avail_in == 0) {
        ssize_t got = read(stream->file, stream->packed, sizeof(stream->packed));
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return error_set_errno(stream->error, "%s", stream->path);
        }
        stream->inflater.next_in = stream->packed;
        stream->inflater.avail_in = got > 0 ? (unsigned)got : 0;
    }
    return 0;
}

/* After a member: the end of the file, another member, or zeros up to the end. */
static int member_follow(struct stream *stream) {
    int code;
    while ((code = packed_refill(stream)) == 0 && stream->inflater.avail_in > 0 && *stream->inflater.next_in == 0) {
        stream->inflater.next_in++;
        stream->inflater.avail_in--;
    }
    if (code != 0 || stream->inflater.avail_in == 0) {
        stream->ended = true;
        return code;
    }
    if (*stream->inflater.next_in != 0x1f || inflateReset(&stream->inflater) != Z_OK) {
        return error_set(stream->error, ERROR_INTEGRITY, "%s: found garbage after the gzip data, wanted its end", stream->path);
    }
    stream->inside_member = true;
    return 0;
}

/* One step into the output that next_out and avail_out name. */
static int inflate_step(struct stream *stream) {
    int code = packed_refill(stream);
    if (code != 0) {
        return code;
    }
    if (stream->inflater.avail_in == 0) {
        return error_set(stream->error, ERROR_INTEGRITY, "%s: found the end inside gzip data, wanted the rest of it", stream->path);
    }
    int result = inflate(&stream->inflater, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
        stream->inside_member = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return error_set(stream->error, ERROR_INTEGRITY, "%s: found damaged gzip data (%s)", stream->path,
                         stream->inflater.msg == NULL ? "no details" : stream->inflater.msg);
    }
    return 0;
}

/* Fills `to` or reaches the end; *got counts what was good before a failure, too. */
static int stream_read(struct stream *stream, void *to, size_t size, size_t *got) {
    int code = 0;
    stream->inflater.next_out = to;
    stream->inflater.avail_out = (unsigned)size;
    while (code == 0 && !stream->ended && stream->inflater.avail_out > 0) {
        code = stream->inside_member ? inflate_step(stream) : member_follow(stream);
    }
    *got = size - stream->inflater.avail_out;
    return code;
}

/* ---- ahead ------------------------------------------------------------------------------------------------------------------ */

/* Waits for a free chunk; false when the reader has left. */
static bool chunk_wait(struct gunzip *gunzip, size_t *index) {
    pthread_mutex_lock(&gunzip->lock);
    while (!gunzip->stop && gunzip->made - gunzip->taken == CHUNKS) {
        pthread_cond_wait(&gunzip->changed, &gunzip->lock);
    }
    bool go = !gunzip->stop;
    *index = gunzip->made % CHUNKS;
    pthread_mutex_unlock(&gunzip->lock);
    return go;
}

static void *ahead_run(void *context) {
    struct gunzip *gunzip = context;
    size_t index;
    bool done = false;
    while (!done && chunk_wait(gunzip, &index)) {
        size_t size;
        int code = stream_read(&gunzip->stream, gunzip->chunks[index], CHUNK_BYTES, &size);
        done = code != 0 || gunzip->stream.ended;
        pthread_mutex_lock(&gunzip->lock);
        gunzip->sizes[index] = size;
        gunzip->made++;
        gunzip->done = done;
        gunzip->code = code;
        pthread_cond_signal(&gunzip->changed);
        pthread_mutex_unlock(&gunzip->lock);
    }
    return NULL;
}

/* The host waits for its signals in one place, so the thread must not catch any. */
static bool ahead_start(struct gunzip *gunzip) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&gunzip->thread, NULL, ahead_run, gunzip) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* Size of the chunk the reader is at; 0 = there is none any more. */
static size_t chunk_await(struct gunzip *gunzip) {
    size_t size = 0;
    pthread_mutex_lock(&gunzip->lock);
    while (gunzip->made == gunzip->taken && !gunzip->done) {
        pthread_cond_wait(&gunzip->changed, &gunzip->lock);
    }
    if (gunzip->made != gunzip->taken) {
        size = gunzip->sizes[gunzip->taken % CHUNKS];
    }
    pthread_mutex_unlock(&gunzip->lock);
    return size;
}

static void chunk_release(struct gunzip *gunzip) {
    gunzip->offset = 0;
    pthread_mutex_lock(&gunzip->lock);
    gunzip->taken++;
    pthread_cond_signal(&gunzip->changed);
    pthread_mutex_unlock(&gunzip->lock);
}

static size_t ahead_read(struct gunzip *gunzip, unsigned char *to, size_t size) {
    size_t chunk = chunk_await(gunzip);
    size_t left = chunk - gunzip->offset;
    size_t taken = left < size ? left : size;
    if (chunk > 0) {
        memcpy(to, gunzip->chunks[gunzip->taken % CHUNKS] + gunzip->offset, taken);
        gunzip->offset += taken;
        if (gunzip->offset == chunk) {
            chunk_release(gunzip);
        }
    }
    return taken;
}

/* ---- the interface ------------------------------------------------------------------------------------------------------------ */

int gunzip_open(struct gunzip **opened, const char *path, int file, const unsigned char *first, size_t size, bool ahead,
                struct error *error) {
    struct gunzip *gunzip = calloc(1, sizeof(*gunzip));
    if (gunzip == NULL || size > PACKED_BYTES || inflateInit2(&gunzip->stream.inflater, GZIP_WINDOW) != Z_OK) {
        free(gunzip);
        return error_set(error, ERROR_SYSTEM, "%s: out of memory", path);
    }
    gunzip->stream.path = path;
    gunzip->stream.file = file;
    gunzip->stream.inside_member = true;
    gunzip->stream.error = &gunzip->failure;
    memcpy(gunzip->stream.packed, first, size);
    gunzip->stream.inflater.next_in = gunzip->stream.packed;
    gunzip->stream.inflater.avail_in = (unsigned)size;
    pthread_mutex_init(&gunzip->lock, NULL);
    pthread_cond_init(&gunzip->changed, NULL);
    gunzip->threaded = ahead && ahead_start(gunzip);
    *opened = gunzip;
    return 0;
}

int gunzip_read(struct gunzip *gunzip, void *to, size_t size, size_t *got, struct error *error) {
    int code = 0;
    if (!gunzip->threaded) {
        code = stream_read(&gunzip->stream, to, size, got);
    } else {
        /* an empty last chunk is passed over; after it, the end and its code are settled */
        *got = ahead_read(gunzip, to, size);
        code = *got == 0 ? gunzip->code : 0;
    }
    if (code != 0) {
        *error = gunzip->failure;
    }
    return code;
}

void gunzip_close(struct gunzip *gunzip) {
    if (gunzip == NULL) {
        return;
    }
    if (gunzip->threaded) {
        pthread_mutex_lock(&gunzip->lock);
        gunzip->stop = true;
        pthread_cond_signal(&gunzip->changed);
        pthread_mutex_unlock(&gunzip->lock);
        pthread_join(gunzip->thread, NULL);
    }
    inflateEnd(&gunzip->stream.inflater);
    pthread_cond_destroy(&gunzip->changed);
    pthread_mutex_destroy(&gunzip->lock);
    free(gunzip);
}
