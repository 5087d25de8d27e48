/*
 * What it costs to open, read to the end and close each of a list of files, and nothing else.
 *
 *   cc -O2 -o open-read-close open-read-close.c && ./open-read-close 500 < list-of-paths
 *
 * Prints the milliseconds of CPU that one round over the list took, the median of ten batches that share the rounds.
 * Files that cannot be opened or read fail the program: the list is of those that another program has just read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 10 };

static char buffer[64 * 1024];

static void fail(const char *what, const char *path)
{
	fprintf(stderr, "open-read-close: cannot %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

static void read_file(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (file < 0)
		fail("open", path);
	while ((got = read(file, buffer, sizeof buffer)) > 0)
		;
	/* A driver may refuse a value; the price has been paid then. */
	if (got < 0 && errno == EISDIR)
		fail("read", path);
	close(file);
}

static double cpu_milliseconds(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0)
		fail("read", "the clock");
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static int by_value(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
	long rounds = argc == 2 ? strtol(argv[1], NULL, 10) / BATCHES : 0;
	char **paths = NULL, *line = NULL;
	double batch[BATCHES];
	size_t count = 0, size = 0;
	ssize_t length;

	if (rounds < 1) {
		fprintf(stderr, "usage: open-read-close ROUNDS < PATHS   (at least %d rounds)\n", BATCHES);
		return 64;
	}
	while ((length = getline(&line, &size, stdin)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		paths = realloc(paths, (count + 1) * sizeof *paths);
		if (!paths || !(paths[count++] = strdup(line)))
			fail("remember", line);
	}
	for (int n = 0; n < BATCHES; n++) {
		double start = cpu_milliseconds();

		for (long round = 0; round < rounds; round++)
			for (size_t file = 0; file < count; file++)
				read_file(paths[file]);
		batch[n] = (cpu_milliseconds() - start) / rounds;
	}
	qsort(batch, BATCHES, sizeof *batch, by_value);
	printf("%.4f\n", (batch[BATCHES / 2 - 1] + batch[BATCHES / 2]) / 2);
	return 0;
}
