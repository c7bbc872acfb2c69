// Vectors of 16 floats. Leaves the target attribute pushed: pop it at the end of the including file.
#pragma once

#include <immintrin.h>

#include "common.h"

#define RBN_VECTOR_LENGTH 16
#define RBN_NAME(name) name##_avx512

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))), apply_to = function)

#include "types.h"

RBN_INLINE vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
// The bound comes first: MAXPS and MINPS return their second operand when either is a NaN.
RBN_INLINE vf vmax(vf bound, vf x) { return _mm512_max_ps(bound, x); }
RBN_INLINE vf vmin(vf bound, vf x) { return _mm512_min_ps(bound, x); }
RBN_INLINE vf vsqrt(vf x) { return _mm512_sqrt_ps(x); }

RBN_INLINE __mmask16 vmask(size_t count) { return (__mmask16)((1u << count) - 1); }
RBN_INLINE vf vload_partial(const float *from, size_t count) { return _mm512_maskz_loadu_ps(vmask(count), from); }
RBN_INLINE void vstore_partial(float *to, vf x, size_t count) { _mm512_mask_storeu_ps(to, vmask(count), x); }
