/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/table_mem.h"

#include <sys/mman.h>

enum { HUGE_BYTES = 2 << 20 };

/* munmap() of a hugetlb mapping wants whole huge pages, so every size is rounded the same way. */
static size_t round_up(size_t bytes)
{
	size_t unit = bytes >= HUGE_BYTES ? HUGE_BYTES : 4096;

	return (bytes + unit - 1) / unit * unit;
}

void *table_mem_alloc(size_t bytes)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	size_t len = round_up(bytes == 0 ? 1 : bytes);
	void *p;

	if (len >= HUGE_BYTES) {
		p = mmap(NULL, len, prot, flags | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		if (p != MAP_FAILED)
			return p;
	}
	p = mmap(NULL, len, prot, flags, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (len >= HUGE_BYTES)
		madvise(p, len, MADV_HUGEPAGE);
	/* Older kernels do not know MADV_POPULATE_WRITE; then the first touch faults. */
	madvise(p, len, MADV_POPULATE_WRITE);
	return p;
}

void table_mem_free(void *p, size_t bytes)
{
	if (p != NULL)
		munmap(p, round_up(bytes == 0 ? 1 : bytes));
}
