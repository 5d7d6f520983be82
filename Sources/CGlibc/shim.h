#ifndef SANAD_CGLIBC_SHIM_H
#define SANAD_CGLIBC_SHIM_H
// What Swift's Glibc module leaves out: mallopt(3), and sync_file_range(2), which <fcntl.h> declares
// for GNU programs alone.
#include <malloc.h>
#include <sys/types.h>

extern int sync_file_range(
    int descriptor, __off64_t offset, __off64_t count, unsigned int flags);

/* For the whole file, with SYNC_FILE_RANGE_WRITE. */
static inline int sanad_begin_write_back(int descriptor)
{
    return sync_file_range(descriptor, 0, 0, 2);
}
#endif
