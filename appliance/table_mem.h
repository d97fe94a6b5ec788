/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APPLIANCE_TABLE_MEM_H
#define APPLIANCE_TABLE_MEM_H

/* Memory of the big tables: zeroed, 2 MB pages where the system has them (reserved ones, else
 * transparent ones), because random look-ups in a table of 4 kB pages pay a TLB miss each. Not
 * from the DPDK heap: tables need no DMA address, and labs give DPDK little memory.
 *
 * Start and stop only; any thread. All pages are present on return, so that no worker takes a page
 * fault later.
 */
#include <stddef.h>

/* NULL with errno. Page aligned. */
void *table_mem_alloc(size_t bytes);
/* bytes as given to table_mem_alloc(); NULL is fine. */
void table_mem_free(void *p, size_t bytes);

/* The same without rounding up to huge pages: what is more than whole ones lies in small ones. For several
 * arrays behind each other, those that are used least at the end. Aligned to a huge page.
 */
void *table_mem_alloc_exact(size_t bytes);
void table_mem_free_exact(void *p, size_t bytes);

#endif
