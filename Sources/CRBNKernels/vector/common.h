#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rbn_kernels.h"

#define RBN_INLINE static inline __attribute__((always_inline))
#define RBN_UNROLL _Pragma("clang loop unroll(full)")
