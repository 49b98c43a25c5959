/*
 * columns/float.h
 *	  PostgreSQL's float4 and float8 as text (float4out, float8out with extra_float_digits 3): read and
 *	  printed, whatever the process's locale.
 */
#ifndef WALROW_COLUMNS_FLOAT_H
#define WALROW_COLUMNS_FLOAT_H

#include "base/strbuf.h"

/* false: not what the output function prints */
bool walrow__parse_float(const uint8_t *bytes, size_t size, float *out);
bool walrow__parse_double(const uint8_t *bytes, size_t size, double *out);
/* The fewest digits that read back as the value. */
void walrow__print_float(float value, walrow__strbuf *out);
void walrow__print_double(double value, walrow__strbuf *out);

#endif
