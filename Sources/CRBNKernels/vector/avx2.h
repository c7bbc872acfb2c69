// Vectors of 8 floats. Leaves the target attribute pushed: pop it at the end of the including file.
#pragma once

#include <immintrin.h>

#include "common.h"

#define RBN_VECTOR_LENGTH 8
#define RBN_NAME(name) name##_avx2

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#include "types.h"

RBN_INLINE vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
// The bound comes first: MAXPS and MINPS return their second operand when either is a NaN.
RBN_INLINE vf vmax(vf bound, vf x) { return _mm256_max_ps(bound, x); }
RBN_INLINE vf vmin(vf bound, vf x) { return _mm256_min_ps(bound, x); }
RBN_INLINE vf vsqrt(vf x) { return _mm256_sqrt_ps(x); }

RBN_INLINE __m256i vmask(size_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
RBN_INLINE vf vload_partial(const float *from, size_t count) { return _mm256_maskload_ps(from, vmask(count)); }
RBN_INLINE void vstore_partial(float *to, vf x, size_t count) { _mm256_maskstore_ps(to, vmask(count), x); }
