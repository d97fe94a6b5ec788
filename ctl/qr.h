/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_QR_H
#define CTL_QR_H

#include <stdio.h>

/* Draw text as a QR code with half-block characters, two modules per row of the terminal, dark on
 * light whatever the terminal's colours are. 0 or -errno (-ERANGE: too long).
 */
int qr_print(FILE *f, const char *text);

#endif
