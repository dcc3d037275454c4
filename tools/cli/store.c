#include "store.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One warning a process says enough. */
static void warn(const char *path, const char *reason)
{
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&warned))
        cli_fail(CLI_DONE, "warning: not cached: %s: %s", path, reason);
}

/* ---- the folder ---------------------------------------------------------------------------------------------- */

/* The folder that caches of all programs are in; false: this user has none. */
static bool base_folder(char *path, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = 0;
    if (cache && cache[0] == '/') /* a relative one is to be ignored, says the XDG base directory specification */
        length = snprintf(path, size, "%s", cache);
    else if (home && home[0] == '/')
        length = snprintf(path, size, "%s/.cache", home);
    return length > 0 && (size_t)length < size;
}

static bool make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* Why entries in an open folder are not to be trusted; NULL: they are its user's own. */
static const char *distrust(int folder)
{
    struct stat status;
    if (fstat(folder, &status) != 0)
        return strerror(errno);
    if (status.st_uid != geteuid())
        return "it belongs to another user";
    return status.st_mode & (S_IWGRP | S_IWOTH) ? "others than its user may write it" : NULL;
}

/* The folders above it, and itself. False: errno says why. */
static bool make_folders(const char *base)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/fovea", base);
    const bool made = make_folder(base) && make_folder(path);
    snprintf(path, sizeof path, "%s/fovea/entries", base);
    return made && make_folder(path);
}

/* Opens the folder; -1: there is no cache. To read is no reason to make one: *out_absent then. */
static int open_folder(bool make, bool *out_absent)
{
    char base[PATH_MAX - 32], path[PATH_MAX];
    if (!base_folder(base, sizeof base))
        return -1;
    if (make && !make_folder(base) && errno == ENOENT) /* a home that does not exist is none */
        return -1;
    snprintf(path, sizeof path, "%s/fovea/entries", base);
    const int folder = !make || make_folders(base) ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    *out_absent = !make && folder < 0 && errno == ENOENT;
    if (*out_absent)
        return -1;
    const char *reason = folder < 0 ? strerror(errno) : distrust(folder);
    if (!reason)
        return folder;
    warn(path, reason);
    if (folder >= 0)
        close(folder);
    return -1;
}

/* The folder, opened at the first call that finds it or makes it; -1: no cache. */
static int folder_of(store *s, bool make)
{
    bool absent = false;
    if (!s->looked)
        s->folder = open_folder(make, &absent);
    s->looked = s->looked || !absent;
    return s->folder;
}

/* ---- entries ------------------------------------------------------------------------------------------------- */

static bool read_all(int file, unsigned char *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = read(file, to + done, size - done);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool write_all(int file, const unsigned char *from, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t put = write(file, from + done, size - done);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}

static size_t get(void *user, const char *key, void *data, size_t room)
{
    store *s = user;
    struct stat status;
    size_t size = 0;
    pthread_mutex_lock(&s->lock);
    const int folder = folder_of(s, false);
    pthread_mutex_unlock(&s->lock);
    const int file = folder < 0 ? -1 : openat(folder, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return 0;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
        size = (size_t)status.st_size;
    if (size > 0 && size <= room && !read_all(file, data, size))
        size = 0;
    close(file);
    return size;
}

/* Writes a new file and gives it the entry's name, so that a reader sees the old one or the new one, whole. */
static bool replace(int folder, const char *key, const char *beside, const void *data, size_t size)
{
    unlinkat(folder, beside, 0); /* left by a process that was killed */
    const int file = openat(folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    const bool written = write_all(file, data, size);
    const int reason = errno;
    const bool closed = close(file) == 0;
    if (written && closed && renameat(folder, beside, folder, key) == 0)
        return true;
    if (!written)
        errno = reason;
    const int kept = errno;
    unlinkat(folder, beside, 0);
    errno = kept;
    return false;
}

static void set(void *user, const char *key, const void *data, size_t size)
{
    store *s = user;
    char beside[NAME_MAX];
    pthread_mutex_lock(&s->lock);
    const int folder = folder_of(s, true);
    snprintf(beside, sizeof beside, "%s.%ld.%u.new", key, (long)getpid(), s->files++);
    if (folder >= 0 && !replace(folder, key, beside, data, size))
        warn(key, strerror(errno));
    pthread_mutex_unlock(&s->lock);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

void store_init(store *s)
{
    *s = (store){.folder = -1};
    pthread_mutex_init(&s->lock, NULL);
}

void store_release(store *s)
{
    if (s->folder >= 0)
        close(s->folder);
    pthread_mutex_destroy(&s->lock);
    s->folder = -1;
}

fovea_cache store_callbacks(store *s)
{
    return (fovea_cache){.user = s, .get = get, .set = set};
}
