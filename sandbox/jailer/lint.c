/*
 * lint.c - is this file built as a strategy is? Read from its bytes; nothing of it runs.
 *
 *   1. It is an ELF64 shared object for x86-64 that can be read without doubt (elf.c).
 *   2. No code runs when it is loaded: no DT_INIT, DT_FINI, arrays, audit or filter libraries, no IFUNC.
 *   3. No segment is writable and executable, the stack is not executable, the text has no relocations.
 *   4. It needs libc.so.6 and libm.so.6 at most, and imports only what policy/imports.allow lists.
 *   5. It exports agent_entry_v1 and nothing else.
 *   6. The entry's identity is plain data: no relocation writes to it. Each of its calls is one relocation into code.
 *   7. What the entry says is in range (entry.c).
 *
 * This is hygiene: it tells an honest author early what would die later. A file that lies its way through is held by the
 * filter, not by this.
 */
#include "jailer/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jailer/elf.h"

#define ENTRY_NAME "agent_entry_v1"

void lint_add(struct strategy *strategy, const char *format, ...) {
    uint32_t at = strategy->finding_count < LINT_FINDINGS_MAX ? strategy->finding_count : LINT_FINDINGS_MAX - 1;
    if (strategy->finding_count >= LINT_FINDINGS_MAX) {
        format = "more findings than are kept";
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(strategy->findings[at].text, sizeof(strategy->findings[at].text), format, arguments);
    va_end(arguments);
    strategy->finding_count = at + 1;
}

/* ---- rules 2 to 4: dynamic section and segments ------------------------------------------------------------------ */

struct tag {
    int64_t tag;
    const char *name;
    bool allowed;
};

/* clang-format off */
/* Tags that are not here are refused by number. */
static const struct tag tags[] = {
    {DT_NEEDED, "DT_NEEDED", true}, {DT_SONAME, "DT_SONAME", true}, {DT_HASH, "DT_HASH", true},
    {DT_GNU_HASH, "DT_GNU_HASH", true}, {DT_STRTAB, "DT_STRTAB", true}, {DT_STRSZ, "DT_STRSZ", true},
    {DT_SYMTAB, "DT_SYMTAB", true}, {DT_SYMENT, "DT_SYMENT", true}, {DT_RELA, "DT_RELA", true},
    {DT_RELASZ, "DT_RELASZ", true}, {DT_RELAENT, "DT_RELAENT", true}, {DT_RELACOUNT, "DT_RELACOUNT", true},
    {DT_JMPREL, "DT_JMPREL", true}, {DT_PLTRELSZ, "DT_PLTRELSZ", true}, {DT_PLTREL, "DT_PLTREL", true},
    {DT_PLTGOT, "DT_PLTGOT", true}, {DT_FLAGS, "DT_FLAGS", true}, {DT_FLAGS_1, "DT_FLAGS_1", true},
    {DT_BIND_NOW, "DT_BIND_NOW", true}, {DT_SYMBOLIC, "DT_SYMBOLIC", true}, {DT_VERSYM, "DT_VERSYM", true},
    {DT_VERNEED, "DT_VERNEED", true}, {DT_VERNEEDNUM, "DT_VERNEEDNUM", true}, {DT_INIT, "DT_INIT", false},
    {DT_FINI, "DT_FINI", false}, {DT_INIT_ARRAY, "DT_INIT_ARRAY", false}, {DT_FINI_ARRAY, "DT_FINI_ARRAY", false},
    {DT_INIT_ARRAYSZ, "DT_INIT_ARRAYSZ", false}, {DT_FINI_ARRAYSZ, "DT_FINI_ARRAYSZ", false},
    {DT_PREINIT_ARRAY, "DT_PREINIT_ARRAY", false}, {DT_TEXTREL, "DT_TEXTREL", false}, {DT_RPATH, "DT_RPATH", false},
    {DT_RUNPATH, "DT_RUNPATH", false}, {DT_AUDIT, "DT_AUDIT", false}, {DT_DEPAUDIT, "DT_DEPAUDIT", false},
    {DT_FILTER, "DT_FILTER", false}, {DT_AUXILIARY, "DT_AUXILIARY", false}, {DT_REL, "DT_REL", false},
    {DT_DEBUG, "DT_DEBUG", false},
};
/* clang-format on */

static const struct tag *tag_of(int64_t tag) {
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (tags[i].tag == tag) {
            return &tags[i];
        }
    }
    return NULL;
}

static void lint_needed(struct strategy *strategy, const struct elf *elf, uint64_t offset) {
    char name[ELF_NAME_MAX];
    if (!elf_string(elf, offset, name)) {
        lint_add(strategy, "needs a library with an unreadable name; wanted libc.so.6 and libm.so.6 at most");
    } else if (strcmp(name, "libc.so.6") != 0 && strcmp(name, "libm.so.6") != 0 && strcmp(name, "ld-linux-x86-64.so.2") != 0) {
        lint_add(strategy, "needs %s; wanted libc.so.6 and libm.so.6 at most", name);
    }
}

static void lint_flags(struct strategy *strategy, int64_t tag, uint64_t value) {
    uint64_t allowed = tag == DT_FLAGS ? DF_BIND_NOW | DF_SYMBOLIC | DF_STATIC_TLS : DF_1_NOW;
    if (value & ~allowed) {
        lint_add(strategy, "%s is 0x%llx; wanted no bits outside 0x%llx", tag == DT_FLAGS ? "DT_FLAGS" : "DT_FLAGS_1",
                 (unsigned long long)value, (unsigned long long)allowed);
    }
}

static void lint_dynamic(struct strategy *strategy, const struct elf *elf) {
    for (uint32_t i = 0; i < elf->dynamic_count; i++) {
        int64_t tag = elf->dynamic[i].d_tag;
        uint64_t value = elf->dynamic[i].d_un.d_val;
        const struct tag *known = tag_of(tag);
        if (!known) {
            lint_add(strategy, "dynamic tag 0x%llx; wanted none that the lint does not know", (unsigned long long)tag);
        } else if (!known->allowed) {
            lint_add(strategy, "%s; wanted none (build with -nostartfiles, see the SDK)", known->name);
        }
        uint64_t first;
        if (tag != DT_NEEDED && elf_dynamic(elf, tag, &first) && first != value) {
            lint_add(strategy, "dynamic tag 0x%llx twice; wanted once", (unsigned long long)tag);
        }
        if (tag == DT_NEEDED) {
            lint_needed(strategy, elf, value);
        } else if (tag == DT_FLAGS || tag == DT_FLAGS_1) {
            lint_flags(strategy, tag, value);
        } else if (tag == DT_PLTREL && value != DT_RELA) {
            lint_add(strategy, "DT_PLTREL is %llu; wanted DT_RELA", (unsigned long long)value);
        }
    }
}

static bool segment_type_known(uint32_t type) {
    static const uint32_t known[] = {PT_NULL,         PT_LOAD,      PT_DYNAMIC,   PT_NOTE,        PT_TLS,
                                     PT_GNU_EH_FRAME, PT_GNU_STACK, PT_GNU_RELRO, PT_GNU_PROPERTY};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i] == type) {
            return true;
        }
    }
    return false;
}

static void lint_segments(struct strategy *strategy, const struct elf *elf) {
    bool stack = false;
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];
        if (!segment_type_known(segment->p_type)) {
            lint_add(strategy, "segment type 0x%x; wanted none that the lint does not know", segment->p_type);
        }
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) && (segment->p_flags & PF_X)) {
            lint_add(strategy, "a segment is writable and executable; wanted one of the two");
        }
        if (segment->p_type == PT_GNU_STACK) {
            stack = true;
            if (segment->p_flags & PF_X) {
                lint_add(strategy, "the stack is executable; wanted -z noexecstack");
            }
        }
    }
    if (!stack) {
        lint_add(strategy, "no PT_GNU_STACK, so the stack would be executable; wanted -z noexecstack");
    }
}

/* ---- rules 2, 4, 5: symbols -------------------------------------------------------------------------------------- */

static void import_note(struct strategy *strategy, const char *name, const struct imports_allowed *allowed) {
    if (strategy->import_count < IMPORTS_MAX) {
        snprintf(strategy->imports[strategy->import_count++], sizeof(strategy->imports[0]), "%s", name);
    } else {
        lint_add(strategy, "imports more than %d symbols", IMPORTS_MAX);
    }
    if (!imports_contain(allowed, name)) {
        lint_add(strategy, "imports %s; wanted only symbols of policy/imports.allow", name);
    }
}

static bool symbol_exported(const Elf64_Sym *symbol) {
    unsigned binding = ELF64_ST_BIND(symbol->st_info);
    unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
    return symbol->st_shndx != SHN_UNDEF && binding != STB_LOCAL && (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

/* Returns whether `symbol` is the entry. */
static bool lint_symbol(struct strategy *strategy, const Elf64_Sym *symbol, const char *name,
                        const struct imports_allowed *allowed) {
    if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC) {
        lint_add(strategy, "%s is an IFUNC; wanted no code that runs while loading", name);
    }
    if (symbol->st_shndx == SHN_UNDEF) {
        import_note(strategy, name, allowed);
    } else if (symbol_exported(symbol) && strcmp(name, ENTRY_NAME) != 0) {
        lint_add(strategy, "exports %s; wanted only " ENTRY_NAME " (-fvisibility=hidden)", name);
    } else if (symbol_exported(symbol)) {
        return true;
    }
    return false;
}

static bool lint_symbols(struct strategy *strategy, const struct elf *elf, const struct imports_allowed *allowed,
                         Elf64_Sym *entry) {
    uint32_t entries = 0;
    for (uint32_t i = 1; i < elf->symbol_count && strategy->finding_count < LINT_FINDINGS_MAX; i++) {
        Elf64_Sym symbol;
        char name[ELF_NAME_MAX];
        if (!elf_symbol(elf, i, &symbol)) {
            lint_add(strategy, "symbol %u cannot be read", i);
        } else if (ELF64_ST_TYPE(symbol.st_info) == STT_SECTION && symbol.st_shndx != SHN_UNDEF) {
            continue;
        } else if (!elf_string(elf, symbol.st_name, name)) {
            lint_add(strategy, "symbol %u has no readable name of at most %d bytes", i, ELF_NAME_MAX - 1);
        } else if (lint_symbol(strategy, &symbol, name, allowed)) {
            entries++;
            *entry = symbol;
        }
    }
    if (entries != 1) {
        lint_add(strategy, "exports " ENTRY_NAME " %u times; wanted once", entries);
    }
    return entries == 1;
}

/* ---- rule 6: entry and relocations ------------------------------------------------------------------------------- */

#define CALLS_AT offsetof(struct agent_vtable, init)

_Static_assert(sizeof(struct agent_vtable) - CALLS_AT == CALL_COUNT * 8, "the calls are the last members");

static bool relocation_known(uint32_t type) {
    return type == R_X86_64_NONE || type == R_X86_64_RELATIVE || type == R_X86_64_GLOB_DAT || type == R_X86_64_JUMP_SLOT ||
           type == R_X86_64_64 || type == R_X86_64_DTPMOD64 || type == R_X86_64_DTPOFF64 || type == R_X86_64_TPOFF64;
}

/* Where a call's relocation will point; false when it is not a plain address in this file. */
static bool call_target(const struct elf *elf, const Elf64_Rela *relocation, uint64_t *target) {
    uint32_t type = ELF64_R_TYPE(relocation->r_info);
    if (type == R_X86_64_RELATIVE) {
        *target = (uint64_t)relocation->r_addend;
        return true;
    }
    Elf64_Sym symbol;
    if ((type != R_X86_64_64 && type != R_X86_64_GLOB_DAT) || !elf_symbol(elf, ELF64_R_SYM(relocation->r_info), &symbol) ||
        symbol.st_shndx == SHN_UNDEF) {
        return false;
    }
    *target = symbol.st_value + (type == R_X86_64_64 ? (uint64_t)relocation->r_addend : 0);
    return true;
}

/* A relocation that touches the entry, at byte `inside` of it (which may be negative by less than 8). */
static void lint_entry_relocation(struct strategy *strategy, const struct elf *elf, const Elf64_Rela *relocation,
                                  int64_t inside) {
    if (inside < (int64_t)CALLS_AT || (inside - (int64_t)CALLS_AT) % 8 != 0) {
        lint_add(strategy, "a relocation writes to byte %lld of " ENTRY_NAME "; wanted its identity to be plain data",
                 (long long)inside);
        return;
    }
    uint32_t call = (uint32_t)(inside - (int64_t)CALLS_AT) / 8;
    uint64_t target;
    if (!call_target(elf, relocation, &target) || !elf_mapped(elf, target, 1, PF_X)) {
        lint_add(strategy, "call %u of " ENTRY_NAME " does not point into this file's code", call);
    }
    if (strategy->calls & (1u << call)) {
        lint_add(strategy, "call %u of " ENTRY_NAME " has two relocations; wanted one", call);
    }
    strategy->calls |= 1u << call;
}

static void lint_relocations(struct strategy *strategy, const struct elf *elf, uint64_t entry_at, bool has_entry) {
    for (uint64_t i = 0; i < elf_relocation_count(elf) && strategy->finding_count < LINT_FINDINGS_MAX; i++) {
        Elf64_Rela relocation;
        if (!elf_relocation(elf, i, &relocation)) {
            lint_add(strategy, "relocation %llu cannot be read", (unsigned long long)i);
            return;
        }
        uint32_t type = ELF64_R_TYPE(relocation.r_info);
        if (type == R_X86_64_IRELATIVE) {
            lint_add(strategy, "an IRELATIVE relocation; wanted no code that runs while loading");
        } else if (!relocation_known(type)) {
            lint_add(strategy, "relocation type %u; wanted none that the lint does not know", type);
        }
        if (elf_mapped(elf, relocation.r_offset, 1, PF_X)) {
            lint_add(strategy, "a relocation writes to code at 0x%llx; wanted none", (unsigned long long)relocation.r_offset);
        }
        int64_t inside = (int64_t)(relocation.r_offset - entry_at);
        if (has_entry && type != R_X86_64_NONE && inside > -8 && inside < (int64_t)sizeof(struct agent_vtable)) {
            lint_entry_relocation(strategy, elf, &relocation, inside);
        }
    }
}

/* Copies the entry out of the file; words of calls must be zero there, because a relocation sets them. */
static bool entry_copy(struct strategy *strategy, const struct elf *elf, const Elf64_Sym *symbol) {
    unsigned char bytes[sizeof(struct agent_vtable)];
    if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_size != sizeof(bytes)) {
        lint_add(strategy, ENTRY_NAME " is %llu bytes; wanted an object of %zu", (unsigned long long)symbol->st_size,
                 sizeof(bytes));
        return false;
    }
    if (symbol->st_value % 8 != 0 || !elf_read(elf, symbol->st_value, bytes, sizeof(bytes))) {
        lint_add(strategy, ENTRY_NAME " is not aligned initialised data of this file");
        return false;
    }
    memset(bytes + CALLS_AT, 0, sizeof(bytes) - CALLS_AT);
    memcpy(&strategy->entry, bytes, sizeof(bytes));
    return true;
}

/* A call without relocation must be NULL in the file: a number there would be an address nobody vouches for. */
static void lint_calls(struct strategy *strategy, const struct elf *elf, uint64_t entry_at) {
    for (uint32_t i = 0; i < CALL_COUNT; i++) {
        uint64_t word = 0;
        if (!(strategy->calls & (1u << i)) && elf_read(elf, entry_at + CALLS_AT + i * 8u, &word, 8) && word != 0) {
            lint_add(strategy, "call %u of " ENTRY_NAME " is the number 0x%llx; wanted NULL or a relocation", i,
                     (unsigned long long)word);
        }
    }
}

void lint(struct strategy *strategy, const unsigned char *bytes, size_t size, const struct imports_allowed *allowed) {
    struct elf elf;
    Elf64_Sym entry = {0};
    const char *fault = elf_open(&elf, bytes, size);
    if (fault) {
        lint_add(strategy, "%s; wanted an ELF64 shared object for x86-64", fault);
        return;
    }
    lint_dynamic(strategy, &elf);
    lint_segments(strategy, &elf);
    bool has_entry = lint_symbols(strategy, &elf, allowed, &entry) && entry_copy(strategy, &elf, &entry);
    lint_relocations(strategy, &elf, entry.st_value, has_entry);
    if (has_entry) {
        lint_calls(strategy, &elf, entry.st_value);
        lint_identity(strategy);
    }
    strategy->admitted = strategy->finding_count == 0;
}
