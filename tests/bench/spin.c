/*
 * spin.c - the floor under a slot that spins: two processes hand a number back and forth through shared memory.
 *
 * Prints spin_round_trip_ns (mean of the best of ten stretches). Nothing that rings and waits can be faster than this here.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS 200000u
#define STRETCHES 10

struct line {
    _Alignas(64) _Atomic uint32_t ask;
    _Alignas(64) _Atomic uint32_t answer;
};

static void answer_all(struct line *line) {
    bench_pin(1);
    for (uint32_t n = 1; n <= ROUNDS * STRETCHES; n++) {
        while (atomic_load_explicit(&line->ask, memory_order_acquire) != n) {
            __builtin_ia32_pause();
        }
        atomic_store_explicit(&line->answer, n, memory_order_release);
    }
}

static double ask_stretch(struct line *line, uint32_t from) {
    int64_t start = bench_now_ns();
    for (uint32_t n = from + 1; n <= from + ROUNDS; n++) {
        atomic_store_explicit(&line->ask, n, memory_order_release);
        while (atomic_load_explicit(&line->answer, memory_order_acquire) != n) {
            __builtin_ia32_pause();
        }
    }
    return (double)(bench_now_ns() - start) / ROUNDS;
}

int main(void) {
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        printf("skip one core only\n");
        return 0;
    }
    struct line *line = mmap(NULL, sizeof *line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (line == MAP_FAILED) {
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        answer_all(line);
        _exit(0);
    }
    bench_pin(0);
    double best = 1e18;
    for (uint32_t i = 0; i < STRETCHES; i++) {
        double mean = ask_stretch(line, i * ROUNDS);
        best = mean < best ? mean : best;
    }
    waitpid(child, NULL, 0);
    bench_figure("spin_round_trip_ns", best);
    return 0;
}
