#if defined(__x86_64__)

#include "../vector/avx512.h"
#include "body.h"

#pragma clang attribute pop

#endif
