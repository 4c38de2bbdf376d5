/* Loaded before libc (LD_PRELOAD): shifts the wall clock, stalls fdatasync, and notes in
   $SHIM_DIR how long each file was when it was last synced whole. preload.py is its other end.
   $SHIM_DIR/controls holds two doubles, read anew at each call: seconds of shift, of stall. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile double *controls;

__attribute__((constructor)) static void attach(void) {
    char path[PATH_MAX];
    const char *folder = getenv("SHIM_DIR");
    if (!folder) return;
    snprintf(path, sizeof path, "%s/controls", folder);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return;
    void *mapped = mmap(NULL, 2 * sizeof(double), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) controls = mapped;
}

static double shift(void) { return controls ? controls[0] : 0; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int told = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += (time_t)shift();
    return told;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int told = real(now, zone);
    now->tv_sec += (time_t)shift();
    return told;
}

time_t time(time_t *kept) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept) *kept = now.tv_sec;
    return now.tv_sec;
}

static void note(int fd, off_t size) {
    char link[64], file[PATH_MAX], path[PATH_MAX + NAME_MAX], text[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, file, sizeof file - 1);
    if (length < 0) return;
    file[length] = 0;
    snprintf(path, sizeof path, "%s/synced-%s", getenv("SHIM_DIR"), strrchr(file, '/') + 1);
    int out = open(path, O_WRONLY | O_CREAT, 0600);
    if (out < 0) return;
    int written = snprintf(text, sizeof text, "%020lld", (long long)size);
    if (pwrite(out, text, written, 0) != written) abort();
    close(out);
}

int fdatasync(int fd) {
    static int (*real)(int);
    struct stat before;
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    int known = controls && fstat(fd, &before) == 0;
    if (controls && controls[1] > 0) usleep((useconds_t)(controls[1] * 1e6));
    int told = real(fd);
    if (told == 0 && known) note(fd, before.st_size);
    return told;
}
