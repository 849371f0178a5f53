/* wide.h - 128-bit integers for intermediate results; ISO C has none, both compilers do. Nothing wide is ever stored. */
#ifndef BASE_WIDE_H
#define BASE_WIDE_H

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

#endif
