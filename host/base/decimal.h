/*
 * decimal.h - exact decimal text <-> integers, and money arithmetic. No function here rounds without saying so in its name.
 * Overflow is an error, never a wrap.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"

/* An exact decimal: mantissa / 10^scale, as written (trailing zeros kept). */
struct decimal {
    int64_t mantissa;
    int32_t scale; /* 0..18 */
};

/* Parses [+-]digits[.digits][e[+-]digits] of exactly `length` bytes. ERROR_FORMAT or ERROR_RANGE (more than 18 significant
 * digits, or scale above 18 after the exponent). */
int decimal_parse(const char *text, size_t length, struct decimal *out);

/* Parses straight to units of 1e-8; ERROR_RANGE when it has more than 8 decimals that are not zero, or does not fit. */
int decimal_parse_e8(const char *text, size_t length, int64_t *out);

/* Any number of digits and decimals to units of 1e-8, rounded half-even; *rounded says whether that changed the value. For
 * sizes of other people's files only, never for prices. ERROR_FORMAT, or ERROR_RANGE when it does not fit. */
int decimal_parse_e8_half_even(const char *text, size_t length, int64_t *out, bool *rounded);

/* Value of a decimal in units of 10^-scale; ERROR_RANGE when not exact or too large. */
int decimal_rescale_exact(struct decimal value, int32_t scale, int64_t *out);

/* Prints an amount in 1e-8 with all 8 places ("-12.00000000"); `size` >= 24. Returns `to`. */
char *decimal_print_e8(int64_t value_e8, char *to, size_t size);

/* Prints value * 10^-scale with exactly `scale` places. Returns `to`. */
char *decimal_print(int64_t mantissa, int32_t scale, char *to, size_t size);

/* Digits of a number and a NUL; writes at most 21 bytes. Returns how many digits. */
size_t decimal_print_unsigned(uint64_t value, char *to);

/* value * num / den with the named rounding, checked; den > 0. */
int muldiv_half_even(int64_t value, int64_t num, int64_t den, int64_t *out);
int muldiv_up(int64_t value, int64_t num, int64_t den, int64_t *out);   /* away from zero */
int muldiv_down(int64_t value, int64_t num, int64_t den, int64_t *out); /* toward zero */

#endif
