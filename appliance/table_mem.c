/* SPDX-License-Identifier: BSD-3-Clause */
#include "appliance/table_mem.h"

#include <stdint.h>
#include <sys/mman.h>

enum { SMALL_BYTES = 4096, HUGE_BYTES = 2 << 20 };

/* munmap() of a hugetlb mapping wants whole huge pages, so every size is rounded the same way. */
static size_t round_up(size_t bytes)
{
	size_t unit = bytes >= HUGE_BYTES ? HUGE_BYTES : SMALL_BYTES;

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

static size_t round_up_exact(size_t bytes)
{
	return bytes == 0 ? SMALL_BYTES : (bytes + SMALL_BYTES - 1) / SMALL_BYTES * SMALL_BYTES;
}

/* Begins where a huge page may; NULL with errno. */
static uint8_t *map_small(size_t len)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uint8_t *room = mmap(NULL, len + HUGE_BYTES, prot, flags, -1, 0);
	size_t before;

	if (room == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)room % HUGE_BYTES;
	if (before > 0)
		munmap(room, before);
	munmap(room + before + len, HUGE_BYTES - before);
	madvise(room + before, len, MADV_HUGEPAGE);
	return room + before;
}

/* One huge page more than are whole, and small ones in its place. */
static uint8_t *map_huge(size_t len)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	size_t whole = len / HUGE_BYTES * HUGE_BYTES, all = whole + HUGE_BYTES;
	uint8_t *p;

	if (whole == 0)
		return NULL;
	p = mmap(NULL, all, prot, flags | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (mmap(p + whole, HUGE_BYTES, prot, flags | MAP_FIXED, -1, 0) == MAP_FAILED) {
		munmap(p, all);
		return NULL;
	}
	munmap(p + len, all - len);
	return p;
}

void *table_mem_alloc_exact(size_t bytes)
{
	size_t len = round_up_exact(bytes);
	uint8_t *p = map_huge(len);

	if (p == NULL)
		p = map_small(len);
	if (p != NULL)
		madvise(p, len, MADV_POPULATE_WRITE);
	return p;
}

void table_mem_free_exact(void *p, size_t bytes)
{
	if (p != NULL)
		munmap(p, round_up_exact(bytes));
}
