#ifndef SANAD_CMALLOC_SHIM_H
#define SANAD_CMALLOC_SHIM_H
// mallopt(3), which Swift's Glibc module leaves out.
#include <malloc.h>
#endif
