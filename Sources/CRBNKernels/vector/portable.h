// Vectors of 4 floats, in whatever the target's baseline offers (SSE2, NEON).
#pragma once

#include "common.h"

#define RBN_VECTOR_LENGTH 4
#define RBN_NAME(name) name##_portable

#include "types.h"

RBN_INLINE vf vfma(vf a, vf b, vf c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_elementwise_fma(a, b, c);
#else
  // Without the instruction a fused multiply-add is a library call per lane.
  return a * b + c;
#endif
}
RBN_INLINE vf vmax(vf bound, vf x) { return vselect(bound > x, bound, x); }
RBN_INLINE vf vmin(vf bound, vf x) { return vselect(bound < x, bound, x); }
RBN_INLINE vf vsqrt(vf x) { return __builtin_elementwise_sqrt(x); }

RBN_INLINE vf vload_partial(const float *from, size_t count) {
  float lanes[RBN_VECTOR_LENGTH] = {0};
  for (size_t i = 0; i < count; i++) lanes[i] = from[i];
  return vload(lanes);
}
RBN_INLINE void vstore_partial(float *to, vf x, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] = x[i];
}
