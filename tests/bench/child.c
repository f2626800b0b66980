/* What is supervised: static where that is possible, and small, so that what is measured is the
 * supervisor. The same as play() in child.rs; the record is told in stamps.rs.
 *
 *   child idle  SINK ID [WORD...]    stamps its start and waits for ever
 *   child crash SINK ID              stamps its start and exits 1
 *   child flood SINK ID BYTES        stamps its start, waits for SIGUSR1, prints BYTES in writes of 4 KiB,
 *                                    stamps before and after, and waits for ever
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct stamp {
	uint64_t at;
	uint32_t pid, kind;
	uint64_t id, value;
};

static void stamp(const char *sink, const char *id, uint32_t kind, uint64_t value)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	struct stamp record = {
		.at = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		.pid = (uint32_t)getpid(),
		.kind = kind,
		.id = strtoull(id, 0, 10),
		.value = value,
	};
	int fd = open(sink, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || write(fd, &record, sizeof record) != sizeof record) _exit(3);
	close(fd);
}

static uint64_t flood(uint64_t bytes)
{
	static char buffer[4096];
	for (unsigned i = 0; i < sizeof buffer; i++)
		buffer[i] = i % 128 == 127 ? '\n' : "abcdefghijklmnopqrstuvwxyz012345"[i % 32];
	uint64_t done = 0;
	while (done < bytes) {
		uint64_t left = bytes - done;
		ssize_t n = write(1, buffer, left < sizeof buffer ? left : sizeof buffer);
		if (n <= 0) break;
		done += (uint64_t)n;
	}
	return done;
}

int main(int argc, char **argv)
{
	if (argc < 4) return 2;
	const char *mode = argv[1], *sink = argv[2], *id = argv[3];
	sigset_t go;
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, 0);
	stamp(sink, id, 'S', 0);
	if (!strcmp(mode, "crash")) _exit(1);
	if (!strcmp(mode, "flood") && argc > 4) {
		int caught;
		sigwait(&go, &caught);
		stamp(sink, id, 'B', 0);
		stamp(sink, id, 'E', flood(strtoull(argv[4], 0, 10)));
	}
	for (;;) pause();
}
