/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a fuzz target without libFuzzer: every file below the folders given, then mutations of
 * them. The mutations are the same each time; NTM_FUZZ_SEED and NTM_FUZZ_RUNS choose others. An
 * input that ends the program is left in fuzz_crash-<pid> in the working directory.
 */
#include "common/rng.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUTS_MAX = 512, INPUT_MAX = 1 << 16, MUTANT_MAX = 1 << 14, RUNS_DEFAULT = 20000 };

struct input {
	uint8_t *data;
	size_t size;
};

static struct input inputs[INPUTS_MAX];
static unsigned int n_inputs;
/* What is being run, for the signal handler. */
static const uint8_t *current;
static size_t current_size;
static char crash_name[64];

void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

static void save_current(void)
{
	int fd = open(crash_name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || current == NULL)
		return;
	if (write(fd, current, current_size) == (ssize_t)current_size &&
	    write(STDERR_FILENO, crash_name, strlen(crash_name)) > 0)
		(void)!write(STDERR_FILENO, ": the input that did it\n", 24);
	close(fd);
	current = NULL;
}

static void on_crash(int sig)
{
	save_current();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run_one(const uint8_t *data, size_t size)
{
	/* In a block of just this size, so that a sanitizer sees the first byte read too far. */
	uint8_t *exact = malloc(size > 0 ? size : 1);

	if (exact == NULL)
		abort();
	memcpy(exact, data, size);
	current = exact;
	current_size = size;
	LLVMFuzzerTestOneInput(exact, size);
	current = NULL;
	free(exact);
}

static int input_load(const char *path)
{
	struct input *in = &inputs[n_inputs];
	ssize_t n;
	int fd;

	if (n_inputs == INPUTS_MAX) {
		fprintf(stderr, "%s: more than %d inputs\n", path, INPUTS_MAX);
		return -1;
	}
	fd = open(path, O_RDONLY);
	in->data = malloc(INPUT_MAX);
	n = fd < 0 || in->data == NULL ? -1 : read(fd, in->data, INPUT_MAX);
	if (n < 0) {
		perror(path);
		free(in->data);
		return -1;
	}
	close(fd);
	in->size = (size_t)n;
	n_inputs++;
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* A folder that is not there is an empty one: not every target has had a crasher yet. */
static int folder_load(const char *dir)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, by_name), ret = 0;
	char path[4096];

	for (int i = 0; i < n; i++) {
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && stat(path, &st) == 0 && S_ISREG(st.st_mode))
			ret |= input_load(path);
		free(names[i]);
	}
	free(names);
	return ret;
}

static size_t insert(uint8_t *buf, size_t size, size_t at, const uint8_t *p, size_t n)
{
	if (size + n > MUTANT_MAX)
		return size;
	memmove(buf + at + n, buf + at, size - at);
	memcpy(buf + at, p, n);
	return size + n;
}

static size_t mutate_once(struct rng *r, uint8_t *buf, size_t size)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe,
					' ',  '\n', '"',  '{',	'['};
	size_t at = size > 0 ? rng_below(r, size) : 0, n;
	const struct input *other;
	uint8_t bytes[8];

	if (size == 0) {
		rng_fill(r, bytes, sizeof(bytes));
		return insert(buf, 0, 0, bytes, 1 + rng_below(r, 8));
	}
	switch (rng_below(r, 8)) {
	case 0:
		buf[at] ^= (uint8_t)(1u << rng_below(r, 8));
		return size;
	case 1:
		buf[at] = edges[rng_below(r, sizeof(edges))];
		return size;
	case 2:
		buf[at] = (uint8_t)rng_below(r, 256);
		return size;
	case 3: /* cut the end */
		return at;
	case 4: /* take a piece out */
		n = 1 + rng_below(r, size - at < 16 ? size - at : 16);
		memmove(buf + at, buf + at + n, size - at - n);
		return size - n;
	case 5: /* a piece of itself again */
		n = 1 + rng_below(r, size - at < 8 ? size - at : 8);
		memcpy(bytes, buf + at, n);
		return insert(buf, size, rng_below(r, size + 1), bytes, n);
	case 6: /* two bytes that could be a length */
		bytes[0] = edges[rng_below(r, 6)];
		bytes[1] = edges[rng_below(r, 6)];
		memcpy(buf + at, bytes, size - at < 2 ? 1 : 2);
		return size;
	default: /* go on as another input does */
		other = &inputs[rng_below(r, n_inputs)];
		n = other->size > at ? other->size - at : 0;
		n = n > MUTANT_MAX - at ? MUTANT_MAX - at : n;
		memcpy(buf + at, other->data + (other->size - n), n);
		return at + n;
	}
}

static void mutants_run(uint64_t seed, unsigned long runs)
{
	static uint8_t buf[MUTANT_MAX];
	struct rng r;

	rng_init_seeded(&r, seed);
	for (unsigned long i = 0; i < runs; i++) {
		const struct input *in = &inputs[rng_below(&r, n_inputs)];
		size_t size = in->size < MUTANT_MAX ? in->size : MUTANT_MAX;

		memcpy(buf, in->data, size);
		for (uint64_t n = 1 + rng_below(&r, 5); n > 0; n--)
			size = mutate_once(&r, buf, size);
		run_one(buf, size);
	}
}

static uint64_t number_env(const char *name, uint64_t value)
{
	const char *text = getenv(name);

	return text == NULL ? value : strtoull(text, NULL, 0);
}

int main(int argc, char **argv)
{
	uint64_t seed = number_env("NTM_FUZZ_SEED", 1);
	unsigned long runs = number_env("NTM_FUZZ_RUNS", RUNS_DEFAULT);

	snprintf(crash_name, sizeof(crash_name), "fuzz_crash-%d", (int)getpid());
	if (__sanitizer_set_death_callback != NULL) {
		__sanitizer_set_death_callback(save_current);
	} else {
		signal(SIGSEGV, on_crash);
		signal(SIGBUS, on_crash);
		signal(SIGFPE, on_crash);
	}
	signal(SIGABRT, on_crash);
	for (int i = 1; i < argc; i++)
		if (folder_load(argv[i]) < 0)
			return 1;
	printf("%u inputs, %lu mutations, seed %llu\n", n_inputs, runs, (unsigned long long)seed);
	fflush(stdout);
	if (n_inputs == 0) {
		fprintf(stderr, "no input in any folder\n");
		return 1;
	}
	for (unsigned int i = 0; i < n_inputs; i++)
		run_one(inputs[i].data, inputs[i].size);
	mutants_run(seed, runs);
	for (unsigned int i = 0; i < n_inputs; i++)
		free(inputs[i].data);
	return 0;
}
