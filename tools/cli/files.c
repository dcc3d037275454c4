#include "files.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_ROOM 65536u

/* Reads until the end into *bytes, which grows; `room` is there to begin with. */
static bool read_stream(FILE *stream, uint8_t **bytes, size_t room, size_t *size)
{
    for (;;) {
        *size += fread(*bytes + *size, 1, room - *size, stream);
        if (*size < room)
            return !ferror(stream);
        if (room > SIZE_MAX / 2) {
            errno = ENOMEM;
            return false;
        }
        uint8_t *grown = realloc(*bytes, room * 2);
        if (!grown)
            return false;
        *bytes = grown;
        room *= 2;
    }
}

int file_read(const char *name, const char *path, uint8_t **out_bytes, size_t *out_size)
{
    *out_bytes = NULL;
    *out_size = 0;
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return cli_fail(CLI_USAGE, "%s: cannot open %s: %s", name, path, strerror(errno));
    struct stat status;
    const bool known = fstat(fileno(stream), &status) == 0 && S_ISREG(status.st_mode);
    /* One byte more than the size, so that the end is seen without growing. */
    const size_t room = known ? (size_t)status.st_size + 1 : FIRST_ROOM;
    uint8_t *bytes = malloc(room);
    const bool done = bytes && read_stream(stream, &bytes, room, out_size);
    const int reason = errno;
    fclose(stream);
    if (!done) {
        free(bytes);
        *out_size = 0;
        return cli_fail(reason == ENOMEM ? CLI_FAILED : CLI_USAGE, "%s: cannot read %s: %s", name, path,
                        strerror(reason));
    }
    *out_bytes = bytes;
    return CLI_DONE;
}

static int output_fail(const char *path, int reason)
{
    return cli_fail(CLI_FAILED, "cannot write %s: %s", path, strerror(reason));
}

/* The directory part of `path` with its slash, in `text`; "./" where it has none. */
static bool directory_of(const char *path, char *text, size_t size)
{
    const char *slash = strrchr(path, '/');
    const int length = slash ? (int)(slash - path) + 1 : 2;
    return snprintf(text, size, "%.*s", length, slash ? path : "./") < (int)size;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int output_check(const char *path)
{
    char directory[PATH_MAX];
    struct stat status;
    if (!path[0])
        return output_fail("\"\"", ENOENT);
    if (stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return output_fail(path, EISDIR);
        if (!S_ISREG(status.st_mode))
            return CLI_DONE;
    }
    if (!directory_of(path, directory, sizeof directory))
        return output_fail(path, ENAMETOOLONG);
    if (stat(directory, &status) != 0 || access(directory, W_OK) != 0)
        return output_fail(path, errno);
    return CLI_DONE;
}

bool output_same(const char *a, const char *b)
{
    struct stat of_a, of_b;
    char folder_a[PATH_MAX], folder_b[PATH_MAX];
    const bool a_exists = stat(a, &of_a) == 0, b_exists = stat(b, &of_b) == 0;
    if (a_exists != b_exists)
        return false;
    if (a_exists)
        return S_ISREG(of_a.st_mode) && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
    if (!directory_of(a, folder_a, sizeof folder_a) || !directory_of(b, folder_b, sizeof folder_b))
        return false;
    if (stat(folder_a, &of_a) != 0 || stat(folder_b, &of_b) != 0)
        return false;
    return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino && strcmp(base_of(a), base_of(b)) == 0;
}

bool output_is_stdout(const char *path)
{
    struct stat of_path, of_stdout;
    return stat(path, &of_path) == 0 && fstat(STDOUT_FILENO, &of_stdout) == 0 && of_path.st_dev == of_stdout.st_dev &&
           of_path.st_ino == of_stdout.st_ino;
}

/* A stream on a new file beside file->target, whose name goes to file->temporary. */
static FILE *open_beside(output_file *file)
{
    const size_t size = strlen(file->target) + 32;
    file->temporary = malloc(size);
    if (!file->temporary)
        return NULL;
    snprintf(file->temporary, size, "%s.%ld.tmp", file->target, (long)getpid());
    const int descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    FILE *stream = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (!stream) {
        const int reason = errno;
        if (descriptor >= 0) {
            close(descriptor);
            remove(file->temporary);
        }
        free(file->temporary);
        file->temporary = NULL;
        errno = reason;
    }
    return stream;
}

int output_open(output_file *file, const char *path)
{
    struct stat status;
    const bool exists = stat(path, &status) == 0;
    const bool regular = exists && S_ISREG(status.st_mode);
    file->path = path;
    /* What /dev/stdout leads to may be a pipe, which has no name of its own. */
    file->target = regular ? realpath(path, NULL) : strdup(path);
    if (file->target && exists && !regular)
        file->stream = fopen(path, "wb");
    else if (file->target)
        file->stream = open_beside(file);
    return file->stream ? CLI_DONE : output_fail(path, errno);
}

int output_close(output_file *file)
{
    errno = EIO; /* for an error that an earlier call met */
    const bool lost = ferror(file->stream) != 0;
    const bool failed = fclose(file->stream) != 0;
    file->stream = NULL;
    return lost || failed ? output_fail(file->path, errno) : CLI_DONE;
}

int output_commit(output_file *file)
{
    if (file->temporary && rename(file->temporary, file->target) != 0)
        return output_fail(file->path, errno);
    free(file->temporary);
    file->temporary = NULL;
    return CLI_DONE;
}

void output_release(output_file *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->temporary)
        remove(file->temporary);
    free(file->temporary);
    free(file->target);
    *file = (output_file){0};
}
