#ifndef SANAD_CLZ4_SHIM_H
#define SANAD_CLZ4_SHIM_H
#include <lz4frame.h>
#endif
