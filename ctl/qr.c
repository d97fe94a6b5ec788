/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl/qr.h"

#include <errno.h>
#include <stdbool.h>

#include <qrencode.h>

/* Light modules around the code; ISO 18004 asks for four, phones read two. */
enum { QUIET = 2 };

static bool is_dark(const QRcode *qr, int x, int y)
{
	if (x < 0 || y < 0 || x >= qr->width || y >= qr->width)
		return false;
	return qr->data[y * qr->width + x] & 1;
}

int qr_print(FILE *f, const char *text)
{
	/* The lower half of a cell in the foreground, the upper in the background, or both. */
	static const char *const cell[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};
	QRcode *qr = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);

	if (qr == NULL)
		return -errno;
	for (int y = -QUIET; y < qr->width + QUIET; y += 2) {
		fputs("\x1b[30;107m", f); /* black on white */
		for (int x = -QUIET; x < qr->width + QUIET; x++)
			fputs(cell[is_dark(qr, x, y)][is_dark(qr, x, y + 1)], f);
		fputs("\x1b[0m\n", f);
	}
	QRcode_free(qr);
	return 0;
}
