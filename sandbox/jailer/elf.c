/*
 * elf.c - the bounds-safe reader of shared objects behind the lint. It runs in the host on files from anywhere, so it is
 * written for hostile input and fuzzed (tests/fuzz/elf.c): copies instead of casts, subtraction instead of sums that could
 * wrap, and a limit on every count.
 *
 * It does not judge: rules are in lint.c. What it refuses is what it cannot read without doubt, among that segments that
 * overlap or are out of order, where the loader and a reader could see different bytes.
 */
#include "jailer/elf.h"

#include <string.h>

#define PAGE 4096u

static bool file_read(const struct elf *elf, uint64_t offset, void *to, size_t size) {
    if (offset > elf->size || size > elf->size - offset) {
        return false;
    }
    memcpy(to, elf->bytes + offset, size);
    return true;
}

/* ---- header and segments ----------------------------------------------------------------------------------------- */

static const char *header_fault(const Elf64_Ehdr *header) {
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
        return "not an ELF file";
    }
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) {
        return "not a 64-bit little-endian ELF file";
    }
    if (header->e_machine != EM_X86_64) {
        return "built for another machine than x86-64";
    }
    if (header->e_type != ET_DYN) {
        return "not a shared object (ET_DYN)";
    }
    if (header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT) {
        return "unknown ELF version";
    }
    if (header->e_ident[EI_OSABI] != ELFOSABI_SYSV && header->e_ident[EI_OSABI] != ELFOSABI_GNU) {
        return "not for Linux (EI_OSABI)";
    }
    return header->e_phentsize == sizeof(Elf64_Phdr) ? NULL : "program headers of an unknown size";
}

static uint64_t page_down(uint64_t address) {
    return address & ~(uint64_t)(PAGE - 1);
}

/* Ascending, apart by whole pages, the file part inside the file and congruent with the address. */
static const char *load_fault(const struct elf *elf, const Elf64_Phdr *segment, uint64_t *end) {
    if (segment->p_filesz > segment->p_memsz || segment->p_offset > elf->size ||
        segment->p_filesz > elf->size - segment->p_offset) {
        return "a segment lies outside the file";
    }
    if (segment->p_vaddr > (UINT64_C(1) << 32) || segment->p_memsz > (UINT64_C(1) << 32)) {
        return "a segment is larger than 4 GiB or lies above it";
    }
    if ((segment->p_vaddr - segment->p_offset) % PAGE != 0) {
        return "a segment's address does not fit its offset";
    }
    if (page_down(segment->p_vaddr) < *end) {
        return "segments overlap or are out of order";
    }
    *end = page_down(segment->p_vaddr + segment->p_memsz + PAGE - 1);
    return NULL;
}

static const char *segments_read(struct elf *elf) {
    uint64_t end = 0;
    uint32_t loads = 0;
    if (elf->header.e_phnum == 0 || elf->header.e_phnum > ELF_SEGMENTS_MAX) {
        return "no program headers, or more than 32";
    }
    for (uint32_t i = 0; i < elf->header.e_phnum; i++) {
        Elf64_Phdr *segment = &elf->segments[i];
        if (elf->header.e_phoff > elf->size ||
            !file_read(elf, elf->header.e_phoff + i * sizeof(*segment), segment, sizeof(*segment))) {
            return "program headers lie outside the file";
        }
        const char *fault = segment->p_type == PT_LOAD ? load_fault(elf, segment, &end) : NULL;
        if (fault) {
            return fault;
        }
        loads += segment->p_type == PT_LOAD;
    }
    elf->segment_count = elf->header.e_phnum;
    return loads ? NULL : "no loadable segment";
}

static const Elf64_Phdr *segment_of(const struct elf *elf, uint64_t address) {
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];
        if (segment->p_type == PT_LOAD && address >= segment->p_vaddr && address - segment->p_vaddr < segment->p_memsz) {
            return segment;
        }
    }
    return NULL;
}

bool elf_read(const struct elf *elf, uint64_t address, void *to, size_t size) {
    const Elf64_Phdr *segment = segment_of(elf, address);
    if (!segment) {
        return false;
    }
    uint64_t inside = address - segment->p_vaddr;
    if (inside > segment->p_filesz || size > segment->p_filesz - inside) {
        return false;
    }
    return file_read(elf, segment->p_offset + inside, to, size);
}

bool elf_mapped(const struct elf *elf, uint64_t address, uint64_t size, uint32_t flags) {
    const Elf64_Phdr *segment = segment_of(elf, address);
    return segment && size <= segment->p_memsz - (address - segment->p_vaddr) && (segment->p_flags & flags) == flags;
}

/* ---- dynamic section --------------------------------------------------------------------------------------------- */

static const char *dynamic_read(struct elf *elf) {
    const Elf64_Phdr *section = NULL;
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        if (elf->segments[i].p_type == PT_DYNAMIC) {
            if (section) {
                return "more than one dynamic segment";
            }
            section = &elf->segments[i];
        }
    }
    if (!section) {
        return "no dynamic segment";
    }
    for (uint32_t i = 0; i < ELF_DYNAMIC_MAX; i++) {
        Elf64_Dyn *entry = &elf->dynamic[i];
        if (!elf_read(elf, section->p_vaddr + i * sizeof(*entry), entry, sizeof(*entry))) {
            return "the dynamic section lies outside the file";
        }
        if (entry->d_tag == DT_NULL) {
            elf->dynamic_count = i;
            return NULL;
        }
    }
    return "the dynamic section has more than 128 entries";
}

bool elf_dynamic(const struct elf *elf, int64_t tag, uint64_t *value) {
    for (uint32_t i = 0; i < elf->dynamic_count; i++) {
        if (elf->dynamic[i].d_tag == tag) {
            *value = elf->dynamic[i].d_un.d_val;
            return true;
        }
    }
    return false;
}

static const char *relocations_find(struct elf *elf) {
    uint64_t size = 0;
    uint64_t entry = sizeof(Elf64_Rela);
    if (elf_dynamic(elf, DT_RELAENT, &entry) && entry != sizeof(Elf64_Rela)) {
        return "relocations of an unknown size";
    }
    if (elf_dynamic(elf, DT_RELA, &elf->rela_at[0]) && elf_dynamic(elf, DT_RELASZ, &size)) {
        elf->rela_count[0] = size / sizeof(Elf64_Rela);
    }
    if (elf_dynamic(elf, DT_JMPREL, &elf->rela_at[1]) && elf_dynamic(elf, DT_PLTRELSZ, &size)) {
        elf->rela_count[1] = size / sizeof(Elf64_Rela);
    }
    if (elf->rela_count[0] > ELF_RELOCATIONS_MAX || elf->rela_count[1] > ELF_RELOCATIONS_MAX) {
        return "more than 262,144 relocations";
    }
    return NULL;
}

/* ---- symbols ----------------------------------------------------------------------------------------------------- */

bool elf_string(const struct elf *elf, uint64_t offset, char name[ELF_NAME_MAX]) {
    for (uint64_t i = 0; i < ELF_NAME_MAX; i++) {
        if (offset >= elf->strings_size || i >= elf->strings_size - offset ||
            !elf_read(elf, elf->strings_at + offset + i, &name[i], 1)) {
            break;
        }
        if (name[i] == '\0') {
            return true;
        }
        if (name[i] <= ' ' || name[i] > '~') {
            break;
        }
    }
    name[0] = '\0';
    return false;
}

bool elf_symbol(const struct elf *elf, uint64_t index, Elf64_Sym *symbol) {
    return elf_read(elf, elf->symbols_at + index * sizeof(*symbol), symbol, sizeof(*symbol));
}

uint64_t elf_relocation_count(const struct elf *elf) {
    return elf->rela_count[0] + elf->rela_count[1];
}

bool elf_relocation(const struct elf *elf, uint64_t index, Elf64_Rela *relocation) {
    uint32_t table = index >= elf->rela_count[0];
    uint64_t inside = table ? index - elf->rela_count[0] : index;
    return elf_read(elf, elf->rela_at[table] + inside * sizeof(*relocation), relocation, sizeof(*relocation));
}

struct gnu_hash {
    uint32_t bucket_count, first, bloom_count, bloom_shift;
};

/* The end of the longest chain: its last entry has the lowest bit set. */
static const char *gnu_chain_end(const struct elf *elf, uint64_t chains_at, uint32_t first, uint32_t from, uint32_t *count) {
    for (uint32_t i = from; i < ELF_SYMBOLS_MAX; i++) {
        uint32_t chain;
        if (!elf_read(elf, chains_at + (uint64_t)(i - first) * 4, &chain, 4)) {
            return "the symbol hash table lies outside the file";
        }
        if (chain & 1) {
            *count = i + 1 > *count ? i + 1 : *count;
            return NULL;
        }
    }
    return "more than 65,536 symbols";
}

static const char *gnu_hash_count(const struct elf *elf, uint64_t table, uint32_t *count) {
    struct gnu_hash hash;
    if (!elf_read(elf, table, &hash, sizeof(hash)) || hash.bucket_count > ELF_SYMBOLS_MAX ||
        hash.bloom_count > ELF_SYMBOLS_MAX) {
        return "the symbol hash table lies outside the file";
    }
    uint64_t buckets_at = table + sizeof(hash) + (uint64_t)hash.bloom_count * 8;
    uint64_t chains_at = buckets_at + (uint64_t)hash.bucket_count * 4;
    uint32_t last = 0;
    for (uint32_t i = 0; i < hash.bucket_count; i++) {
        uint32_t bucket;
        if (!elf_read(elf, buckets_at + (uint64_t)i * 4, &bucket, 4) || (bucket != 0 && bucket < hash.first)) {
            return "the symbol hash table is malformed";
        }
        last = bucket > last ? bucket : last;
    }
    *count = hash.first > *count && hash.first <= ELF_SYMBOLS_MAX ? hash.first : *count;
    return last ? gnu_chain_end(elf, chains_at, hash.first, last, count) : NULL;
}

/* A symbol nobody can find by name and no relocation names does not exist for the loader. */
static const char *symbols_count(struct elf *elf) {
    uint64_t table;
    const char *fault = NULL;
    if (elf_dynamic(elf, DT_GNU_HASH, &table)) {
        fault = gnu_hash_count(elf, table, &elf->symbol_count);
    }
    if (!fault && elf_dynamic(elf, DT_HASH, &table)) {
        uint32_t counts[2];
        fault = elf_read(elf, table, counts, sizeof(counts)) ? NULL : "the symbol hash table lies outside the file";
        elf->symbol_count = !fault && counts[1] > elf->symbol_count ? counts[1] : elf->symbol_count;
    }
    for (uint64_t i = 0; !fault && i < elf_relocation_count(elf); i++) {
        Elf64_Rela relocation;
        if (!elf_relocation(elf, i, &relocation)) {
            return "relocations lie outside the file";
        }
        uint64_t symbol = ELF64_R_SYM(relocation.r_info);
        if (symbol >= ELF_SYMBOLS_MAX) {
            return "more than 65,536 symbols";
        }
        elf->symbol_count = symbol >= elf->symbol_count ? (uint32_t)symbol + 1 : elf->symbol_count;
    }
    return fault ? fault : elf->symbol_count > ELF_SYMBOLS_MAX ? "more than 65,536 symbols" : NULL;
}

static const char *symbols_find(struct elf *elf) {
    uint64_t entry;
    if (!elf_dynamic(elf, DT_SYMTAB, &elf->symbols_at) || !elf_dynamic(elf, DT_STRTAB, &elf->strings_at) ||
        !elf_dynamic(elf, DT_STRSZ, &elf->strings_size)) {
        return "no symbol table";
    }
    if (elf_dynamic(elf, DT_SYMENT, &entry) && entry != sizeof(Elf64_Sym)) {
        return "symbols of an unknown size";
    }
    const char *fault = symbols_count(elf);
    Elf64_Sym symbol;
    if (!fault && elf->symbol_count > 0 && !elf_symbol(elf, elf->symbol_count - 1, &symbol)) {
        return "the symbol table lies outside the file";
    }
    return fault;
}

const char *elf_open(struct elf *elf, const unsigned char *bytes, size_t size) {
    memset(elf, 0, sizeof(*elf));
    elf->bytes = bytes;
    elf->size = size;
    if (!file_read(elf, 0, &elf->header, sizeof(elf->header))) {
        return "too short for an ELF header";
    }
    const char *fault = header_fault(&elf->header);
    fault = fault ? fault : segments_read(elf);
    fault = fault ? fault : dynamic_read(elf);
    fault = fault ? fault : relocations_find(elf);
    return fault ? fault : symbols_find(elf);
}
