/*
 * elf.h - reads a shared object out of arbitrary bytes, as the loader would see it, without trusting one of them.
 *
 * Every read is bounds-checked against the file; nothing is followed more than a fixed number of times. What the loader
 * takes from memory (dynamic section, symbols, relocations) is read by virtual address through the PT_LOAD segments.
 */
#ifndef SANDBOX_JAILER_ELF_H
#define SANDBOX_JAILER_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 32
#define ELF_DYNAMIC_MAX 128
#define ELF_SYMBOLS_MAX 65536
#define ELF_RELOCATIONS_MAX 262144
#define ELF_NAME_MAX 64

struct elf {
    const unsigned char *bytes;
    size_t size;
    Elf64_Ehdr header;
    uint32_t segment_count;
    Elf64_Phdr segments[ELF_SEGMENTS_MAX];
    uint32_t dynamic_count;
    Elf64_Dyn dynamic[ELF_DYNAMIC_MAX];
    uint32_t symbol_count; /* as far as hash table and relocations reach */
    uint64_t symbols_at;   /* virtual addresses */
    uint64_t strings_at, strings_size;
    uint64_t rela_at[2], rela_count[2]; /* DT_RELA, DT_JMPREL */
};

/* Returns NULL, or what is wrong in words; then nothing of `elf` may be used. */
const char *elf_open(struct elf *elf, const unsigned char *bytes, size_t size);

/* Copies `size` bytes at a virtual address; false when they are not all in the file. */
bool elf_read(const struct elf *elf, uint64_t address, void *to, size_t size);

/* Whether [address, address + size) lies in one segment with all of `flags` (PF_*). */
bool elf_mapped(const struct elf *elf, uint64_t address, uint64_t size, uint32_t flags);

/* The value of the first dynamic entry with this tag. */
bool elf_dynamic(const struct elf *elf, int64_t tag, uint64_t *value);

/* A name out of the string table; false when it is not terminated inside ELF_NAME_MAX bytes or not printable. */
bool elf_string(const struct elf *elf, uint64_t offset, char name[ELF_NAME_MAX]);

bool elf_symbol(const struct elf *elf, uint64_t index, Elf64_Sym *symbol);

/* Relocation `index` of both tables together, 0 .. elf_relocation_count() - 1. */
uint64_t elf_relocation_count(const struct elf *elf);
bool elf_relocation(const struct elf *elf, uint64_t index, Elf64_Rela *relocation);

#endif
