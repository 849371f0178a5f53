/*
 * Tests of the admission lint: honest files pass, each rule is broken once and answered with the finding that names it, and
 * nothing of a file's fate after opening changes what was hashed.
 */
#include "attack_file.h"

#include <elf.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>

static unsigned char *honest;
static size_t honest_size;

static bool found(const struct strategy *strategy, const char *text) {
    for (uint32_t i = 0; i < strategy->finding_count; i++) {
        if (strstr(strategy->findings[i].text, text)) {
            return true;
        }
    }
    return false;
}

static void expect_finding(const struct strategy *strategy, const char *text) {
    if (!found(strategy, text) || strategy->admitted) {
        for (uint32_t i = 0; i < strategy->finding_count; i++) {
            printf("# found: %s\n", strategy->findings[i].text);
        }
        fail_msg("%s: no finding with '%s'", strategy->path, text);
    }
}

/* ---- whole files ------------------------------------------------------------------------------------------------- */

static void test_honest_files_pass(void **state) {
    (void)state;
    static const char *const files[] = {"strategies/flat.so", "strategies/sma_cross.so", "tests/jail/agents/observer.so"};
    static struct jail jail;
    for (size_t i = 0; i < 3; i++) {
        jail_open(&jail, build_path(files[i]));
        assert_int_equal(jail.strategy.finding_count, 0);
        assert_true(jail.strategy.admitted);
        assert_true(jail.strategy.calls & (1u << CALL_GENERATE_SIGNALS));
        assert_null(jail.strategy.entry.generate_signals); /* an address of another process is nothing to call */
        jail_close(&jail);
    }
}

static void test_identity_is_read(void **state) {
    (void)state;
    static struct jail jail;
    jail_open(&jail, build_path("tests/jail/agents/observer.so"));
    assert_string_equal(jail.strategy.entry.name, "observer");
    assert_string_equal(jail.strategy.entry.release, "1");
    assert_int_equal(jail.strategy.entry.needs.bars[0], 8);
    assert_int_equal(jail.strategy.entry.state_schema, 7);
    uint32_t calls = 1u << CALL_INIT | 1u << CALL_GENERATE_SIGNALS | 1u << CALL_ON_FILL | 1u << CALL_ON_LIMIT_UPDATE |
                     1u << CALL_SAVE | 1u << CALL_LOAD;
    assert_int_equal(jail.strategy.calls, calls);
    jail_close(&jail);
}

static void test_hostile_forms_are_named(void **state) {
    (void)state;
    static const char *const wanted[][2] = {
        {"attack", "DT_INIT_ARRAY"},
        {"attack", "while loading"},
        {"attack", "imports dlopen"},
        {"attack", "imports clock_gettime"},
        {"interpose", "exports write"},
        {"interpose", "DT_FLAGS_1"},
        {"text_relocations", "DT_TEXTREL"},
        {"text_relocations", "writes to code"},
        {"executable_stack", "the stack is"},
        {"other_library", "needs libz.so.1"},
        {"no_entry", "0 times"},
        {"no_entry", "exports something"},
        {"no_call", "generate_signals is NULL"},
        {"other_digest", "digest is 0x1;"},
        {"huge_self", "self_size"},
    };
    static struct jail jail;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        char file[64];
        snprintf(file, sizeof(file), "tests/jail/attacks/%s.so", wanted[i][0]);
        jail_open(&jail, build_path(file));
        expect_finding(&jail.strategy, wanted[i][1]);
        jail_close(&jail);
    }
}

/* ---- one member of the entry ------------------------------------------------------------------------------------- */

struct patch {
    size_t at, size;
    uint64_t value;
    const char *finding;
};

#define MEMBER(member) offsetof(struct agent_vtable, member), sizeof(((struct agent_vtable *)0)->member)

static const struct patch patches[] = {
    {MEMBER(magic), 1, "magic is 0x1;"},
    {MEMBER(version), 77, "version is 77"},
    {MEMBER(size), 303, "size is 303"},
    {MEMBER(digest), 5, "digest is 0x5"},
    {offsetof(struct agent_vtable, name), 1, 'A', "name"},
    {offsetof(struct agent_vtable, name), 1, 0, "name"},
    {offsetof(struct agent_vtable, name) + 20, 1, 'x', "name"},
    {offsetof(struct agent_vtable, name) + 31, 1, 'x', "name"},
    {offsetof(struct agent_vtable, release), 1, '\n', "release"},
    {MEMBER(needs.events), 0, "needs.events is 0x0"},
    {MEMBER(needs.events), 32, "needs.events is 0x20"},
    {MEMBER(needs.events), AGENT_EVENT_TIMER, "needs.timer_ms is 0"},
    {MEMBER(needs.timer_ms), 5, "needs.timer_ms is 5"},
    {MEMBER(needs.timeframe_count), 0, "timeframe_count is 0"},
    {MEMBER(needs.timeframe_count), 7, "timeframe_count is 7"},
    {MEMBER(needs.timeframe_count), 0xffffffff, "timeframe_count is 4294967295"},
    {MEMBER(needs.timeframe_count), 2, "ascending"},
    {offsetof(struct agent_vtable, needs.timeframe_s) + 20, 4, 60, "beyond timeframe_count"},
    {MEMBER(needs.bars[0]), 0, "needs.bars[0] is 0"},
    {MEMBER(needs.bars[0]), 4097, "needs.bars[0] is 4097"},
    {MEMBER(needs.bars[3]), 1, "beyond timeframe_count"},
    {MEMBER(needs.ticks), 4097, "needs.ticks is 4097"},
    {MEMBER(needs.depth), 33, "needs.depth is 33"},
    {MEMBER(needs.decide_us_max), 0, "decide_us_max is 0"},
    {MEMBER(needs.decide_us_max), 1000001, "decide_us_max is 1000001"},
    {MEMBER(self_size), 0, "self_size is 0"},
    {MEMBER(self_size), AGENT_SELF_MAX + 1, "self_size"},
    {MEMBER(self_size), UINT64_MAX, "self_size"},
    {MEMBER(state_schema), 1, "all three or none"},
    {MEMBER(state_max), 1, "all three or none"},
    {MEMBER(state_max), AGENT_STATE_MAX + 1, "state_max is"},
    {MEMBER(reserved[0]), 1, "reserved[0]"},
    {MEMBER(reserved[7]), 1, "reserved[7]"},
    {MEMBER(on_fill), 0x1000, "call 3 of agent_entry_v1 is the number 0x1000"},
};

/* Where the entry lies in the honest file. */
static size_t entry_at(void) {
    uint64_t magic = AGENT_ABI_MAGIC;
    const unsigned char *at = memmem(honest, honest_size, &magic, sizeof(magic));
    assert_non_null(at);
    return (size_t)(at - honest);
}

static void patched_expect(const struct patch *patch) {
    static struct jail jail;
    unsigned char *bytes = malloc(honest_size);
    assert_non_null(bytes);
    memcpy(bytes, honest, honest_size);
    memcpy(bytes + entry_at() + patch->at, &patch->value, patch->size);
    jail_open_bytes(&jail, bytes, honest_size);
    expect_finding(&jail.strategy, patch->finding);
    jail_close(&jail);
    free(bytes);
}

static void test_every_rule_of_the_entry(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        patched_expect(&patches[i]);
    }
}

/* ---- headers, segments, relocations ------------------------------------------------------------------------------ */

static unsigned char *copy_make(void) {
    unsigned char *bytes = malloc(honest_size);
    assert_non_null(bytes);
    memcpy(bytes, honest, honest_size);
    return bytes;
}

static void bytes_expect(unsigned char *bytes, size_t size, const char *finding) {
    static struct jail jail;
    jail_open_bytes(&jail, bytes, size);
    expect_finding(&jail.strategy, finding);
    jail_close(&jail);
    free(bytes);
}

static Elf64_Phdr *segment_find(unsigned char *bytes, uint32_t type, uint32_t flags) {
    Elf64_Ehdr *header = (void *)bytes;
    Elf64_Phdr *segments = (void *)(bytes + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == type && (segments[i].p_flags & flags) == flags) {
            return &segments[i];
        }
    }
    fail_msg("no segment of type 0x%x", type);
    return NULL;
}

static Elf64_Rela *relocation_find(unsigned char *bytes) {
    Elf64_Phdr *dynamic = segment_find(bytes, PT_DYNAMIC, 0);
    for (Elf64_Dyn *entry = (void *)(bytes + dynamic->p_offset); entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_RELA) {
            return (void *)(bytes + entry->d_un.d_ptr); /* in the first segment, where offsets are addresses */
        }
    }
    fail_msg("no relocations");
    return NULL;
}

static void test_headers(void **state) {
    (void)state;
    static const struct patch wrong[] = {
        {0, 1, 'X', "not an ELF file"},
        {EI_CLASS, 1, ELFCLASS32, "64-bit"},
        {EI_DATA, 1, ELFDATA2MSB, "little-endian"},
        {offsetof(Elf64_Ehdr, e_machine), 2, EM_AARCH64, "another machine"},
        {offsetof(Elf64_Ehdr, e_type), 2, ET_EXEC, "not a shared object"},
        {offsetof(Elf64_Ehdr, e_phnum), 2, 0, "no program headers"},
        {offsetof(Elf64_Ehdr, e_phnum), 2, 0xffff, "no program headers"},
        {offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX, "outside the file"},
        {offsetof(Elf64_Ehdr, e_phentsize), 2, 1, "unknown size"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        unsigned char *bytes = copy_make();
        memcpy(bytes + wrong[i].at, &wrong[i].value, wrong[i].size);
        bytes_expect(bytes, honest_size, wrong[i].finding);
    }
}

static void test_segments(void **state) {
    (void)state;
    unsigned char *bytes = copy_make();
    segment_find(bytes, PT_LOAD, PF_X)->p_flags |= PF_W;
    bytes_expect(bytes, honest_size, "writable and executable");
    bytes = copy_make();
    segment_find(bytes, PT_GNU_STACK, 0)->p_type = PT_NULL;
    bytes_expect(bytes, honest_size, "no PT_GNU_STACK");
    bytes = copy_make();
    segment_find(bytes, PT_GNU_STACK, 0)->p_type = PT_INTERP;
    bytes_expect(bytes, honest_size, "segment type 0x3");
    bytes = copy_make();
    segment_find(bytes, PT_LOAD, PF_X)->p_vaddr = 0;
    bytes_expect(bytes, honest_size, "overlap");
    bytes = copy_make();
    segment_find(bytes, PT_DYNAMIC, 0)->p_type = PT_NULL;
    bytes_expect(bytes, honest_size, "no dynamic segment");
    bytes = copy_make();
    segment_find(bytes, PT_LOAD, PF_W)->p_filesz = UINT64_MAX;
    bytes_expect(bytes, honest_size, "outside the file");
}

static void test_relocations(void **state) {
    (void)state;
    unsigned char *bytes = copy_make();
    relocation_find(bytes)->r_info = ELF64_R_INFO(0, R_X86_64_IRELATIVE);
    bytes_expect(bytes, honest_size, "IRELATIVE");
    bytes = copy_make();
    relocation_find(bytes)->r_info = ELF64_R_INFO(0, R_X86_64_COPY);
    bytes_expect(bytes, honest_size, "relocation type 5");
    bytes = copy_make();
    relocation_find(bytes)->r_addend = 0x40; /* the call would lead into the headers */
    bytes_expect(bytes, honest_size, "does not point into this file's code");
    bytes = copy_make();
    relocation_find(bytes)->r_offset -= 16; /* into the reserved words */
    bytes_expect(bytes, honest_size, "wanted its identity to be plain data");
    bytes = copy_make();
    relocation_find(bytes)->r_offset += 4;
    bytes_expect(bytes, honest_size, "plain data");
    bytes = copy_make();
    relocation_find(bytes)->r_info = ELF64_R_INFO(0xfffffff, R_X86_64_64);
    bytes_expect(bytes, honest_size, "65,536 symbols");
}

static void test_cut_files(void **state) {
    (void)state;
    static struct jail jail;
    for (size_t size = 0; size < honest_size; size += size < 600 ? 1 : 97) {
        jail_open_bytes(&jail, honest, size);
        bool complete = jail.strategy.admitted; /* section headers and debug information may be missing */
        assert_true(!complete || size > 4096);
        jail_close(&jail);
    }
}

/* ---- the path ---------------------------------------------------------------------------------------------------- */

static void open_expect(const char *path, int code) {
    static struct strategy strategy;
    struct error error = {0};
    assert_int_equal(strategy_open(&strategy, path, ALLOW, &error), code);
    assert_int_equal(strategy.fd, -1);
    assert_true(error.text[0] != '\0');
    strategy_close(&strategy);
}

static void test_only_plain_files(void **state) {
    (void)state;
    char fifo[64];
    snprintf(fifo, sizeof(fifo), "/tmp/bulkhead-lint-%d", (int)getpid());
    assert_int_equal(mkfifo(fifo, 0600), 0);
    open_expect(fifo, ERROR_FORMAT); /* and does not block */
    unlink(fifo);
    open_expect("/tmp", ERROR_FORMAT);
    open_expect("/dev/zero", ERROR_FORMAT);
    open_expect("/nonexistent/strategy.so", ERROR_NOT_FOUND);
    int large = memfd_create("large", MFD_CLOEXEC);
    assert_int_equal(ftruncate(large, (off_t)STRATEGY_FILE_MAX + 1), 0);
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", large);
    open_expect(path, ERROR_SYSTEM);
    close(large);
}

static void test_the_allow_list_must_be_readable(void **state) {
    (void)state;
    static struct strategy strategy;
    struct error error = {0};
    const char *path = build_path("strategies/flat.so");
    assert_int_equal(strategy_open(&strategy, path, "/nonexistent", &error), ERROR_NOT_FOUND);
    int list = memfd_create("list", MFD_CLOEXEC);
    static const char text[] = "# comment\nmemcpy copies\nsystem\n";
    assert_int_equal(write(list, text, sizeof(text) - 1), sizeof(text) - 1);
    char list_path[40];
    snprintf(list_path, sizeof(list_path), "/proc/self/fd/%d", list);
    assert_int_equal(strategy_open(&strategy, path, list_path, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, ":3: system has no reason"));
    close(list);
}

/* What is hashed is what is loaded, whatever happens to the file. */
static void test_the_hash_is_of_the_sealed_bytes(void **state) {
    (void)state;
    static struct jail jail;
    unsigned char wanted[32], again[32];
    jail_open_bytes(&jail, honest, honest_size); /* its file is gone by now */
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    EVP_DigestUpdate(context, honest, honest_size);
    EVP_DigestFinal_ex(context, wanted, NULL);
    EVP_MD_CTX_free(context);
    assert_memory_equal(jail.strategy.hash, wanted, 32);
    for (int i = 0; i < 32; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(jail.strategy.hash_text + 2 * i, "%2x", &byte), 1);
        again[i] = (unsigned char)byte;
    }
    assert_memory_equal(again, wanted, 32);
    assert_int_equal(jail_start(&jail), 0);
    assert_int_equal(jail_turn(&jail, 0, SECOND), SLOT_ANSWERED);
    jail_close(&jail);
}

/* The list itself: sorted into no order, but no name twice and every one with a reason. */
static void test_nothing_that_reads_a_clock_is_allowed(void **state) {
    (void)state;
    static const char *const never[] = {"clock_gettime", "time",    "clock",          "gettimeofday", "getenv", "fopen",
                                        "printf",        "dlopen",  "pthread_create", "fork",         "system", "getrandom",
                                        "nanosleep",     "syscall", "mmap",           "signal"};
    FILE *file = fopen(ALLOW, "re");
    assert_non_null(file);
    char line[512], name[64];
    unsigned count = 0;
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == '#' || sscanf(line, "%63s", name) != 1) {
            continue;
        }
        count++;
        for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
            assert_string_not_equal(name, never[i]);
        }
    }
    fclose(file);
    assert_true(count > 300);
}

static int setup(void **state) {
    (void)state;
    honest = file_read_whole(build_path("strategies/flat.so"), &honest_size);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(honest);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest_files_pass),
        cmocka_unit_test(test_identity_is_read),
        cmocka_unit_test(test_hostile_forms_are_named),
        cmocka_unit_test(test_every_rule_of_the_entry),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_relocations),
        cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_only_plain_files),
        cmocka_unit_test(test_the_allow_list_must_be_readable),
        cmocka_unit_test(test_the_hash_is_of_the_sealed_bytes),
        cmocka_unit_test(test_nothing_that_reads_a_clock_is_allowed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
