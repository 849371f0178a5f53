/*
 * hash.c - SHA-256 through libcrypto's EVP.
 *
 * Guarantees: hash_init takes all the memory there is; hash_add, hash_flush and hash_end neither allocate nor enter the
 * kernel, so a jailed worker may use them behind its filter. hash_end restarts the same context with the digest it already
 * holds, because naming the digest again would make OpenSSL 3 look it up (and lock and allocate) once more.
 * A digest that fails in the middle would make every later comparison meaningless, so it ends the process.
 */
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/error.h"

static void hash_must(int result) {
    if (result != 1) {
        abort();
    }
}

int hash_init(struct hash *hash) {
    hash->used = 0;
    hash->context = NULL;
    EVP_MD *digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int code = ERROR_SYSTEM;
    if (digest != NULL && context != NULL && EVP_DigestInit_ex(context, digest, NULL) == 1) {
        hash->context = context;
        context = NULL;
        code = 0;
    }
    EVP_MD_CTX_free(context);
    EVP_MD_free(digest); /* the context holds its own reference */
    return code;
}

void hash_fini(struct hash *hash) {
    if (hash != NULL) {
        EVP_MD_CTX_free(hash->context);
        hash->context = NULL;
        hash->used = 0;
    }
}

void hash_flush(struct hash *hash) {
    if (hash->used > 0) {
        hash_must(EVP_DigestUpdate(hash->context, hash->buffer, hash->used));
        hash->used = 0;
    }
}

void hash_add_slow(struct hash *hash, const void *bytes, size_t size) {
    hash_flush(hash);
    if (size > HASH_BUFFER) {
        hash_must(EVP_DigestUpdate(hash->context, bytes, size));
    } else {
        __builtin_memcpy(hash->buffer, bytes, size);
        hash->used = size;
    }
}

void hash_end(struct hash *hash, unsigned char out[HASH_BYTES]) {
    unsigned int size = 0;
    hash_flush(hash);
    hash_must(EVP_DigestFinal_ex(hash->context, out, &size));
    hash_must(size == HASH_BYTES);
    hash_must(EVP_DigestInit_ex(hash->context, NULL, NULL));
}

void hash_bytes(const void *bytes, size_t size, unsigned char out[HASH_BYTES]) {
    unsigned int written = 0;
    hash_must(EVP_Digest(bytes, size, out, &written, EVP_sha256(), NULL));
    hash_must(written == HASH_BYTES);
}

void hash_print(const unsigned char hash[HASH_BYTES], char out[HASH_TEXT_BYTES]) {
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < HASH_BYTES; i++) {
        out[2 * i] = hex[hash[i] >> 4];
        out[2 * i + 1] = hex[hash[i] & 15];
    }
    out[HASH_TEXT_BYTES - 1] = '\0';
}
