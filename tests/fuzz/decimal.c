/*
 * decimal.c - fuzzes the decimal parsers. What is accepted must survive printing and reading again, and the three parsers
 * must agree with each other wherever their ranges meet.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(int truth) {
    if (!truth) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *text = (const char *)bytes;
    struct decimal value, again;
    int64_t e8, even, rescaled;
    bool rounded;
    char printed[64];
    int code = decimal_parse(text, size, &value);
    int exact = decimal_parse_e8(text, size, &e8);
    int near = decimal_parse_e8_half_even(text, size, &even, &rounded);
    must((code == ERROR_FORMAT) == (near == ERROR_FORMAT) && (code == ERROR_FORMAT) == (exact == ERROR_FORMAT));
    must(exact != 0 || (near == 0 && !rounded && even == e8));
    must(near != 0 || rounded || exact == 0);
    if (code == 0) {
        must(value.scale >= 0 && value.scale <= 18);
        decimal_print(value.mantissa, value.scale, printed, sizeof(printed));
        must(decimal_parse(printed, strlen(printed), &again) == 0 && again.mantissa == value.mantissa && again.scale == value.scale);
        int fits = decimal_rescale_exact(value, 8, &rescaled);
        must(fits != 0 || (exact == 0 && rescaled == e8));
    }
    if (exact == 0) {
        int64_t back;
        decimal_print_e8(e8, printed, sizeof(printed));
        must(decimal_parse_e8(printed, strlen(printed), &back) == 0 && back == e8);
    }
    return 0;
}
