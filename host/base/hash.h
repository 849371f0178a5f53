/* hash.h - SHA-256 over libcrypto, with a buffer in front so that many small records cost little. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BYTES 32
#define HASH_TEXT_BYTES 65
#define HASH_BUFFER 4096

struct hash {
    void *context;          /* EVP_MD_CTX */
    size_t used;
    unsigned char buffer[HASH_BUFFER];
};

/* All allocation happens in hash_init: later calls make no system call, so they work inside a jail. */
int hash_init(struct hash *hash);
void hash_fini(struct hash *hash);
void hash_flush(struct hash *hash);
void hash_add_slow(struct hash *hash, const void *bytes, size_t size);
/* Ends the hash and starts a new one. */
void hash_end(struct hash *hash, unsigned char out[HASH_BYTES]);

static inline void hash_add(struct hash *hash, const void *bytes, size_t size) {
    if (size <= HASH_BUFFER - hash->used) {
        __builtin_memcpy(hash->buffer + hash->used, bytes, size);
        hash->used += size;
    } else {
        hash_add_slow(hash, bytes, size);
    }
}

/* One shot. */
void hash_bytes(const void *bytes, size_t size, unsigned char out[HASH_BYTES]);
/* Lower-case hex. */
void hash_print(const unsigned char hash[HASH_BYTES], char out[HASH_TEXT_BYTES]);

#endif
