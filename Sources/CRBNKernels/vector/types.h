// The part of the vector vocabulary that does not depend on the instruction set but for the length.

// Vectors wider than a register have no calling convention to agree on, and need none: every function here is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float vf __attribute__((vector_size(RBN_VECTOR_LENGTH * sizeof(float))));
typedef int32_t vi __attribute__((vector_size(RBN_VECTOR_LENGTH * sizeof(int32_t))));
typedef double vd __attribute__((vector_size(RBN_VECTOR_LENGTH * sizeof(double))));

RBN_INLINE vf vload(const float *from) {
  vf x;
  memcpy(&x, from, sizeof x);
  return x;
}
RBN_INLINE void vstore(float *to, vf x) { memcpy(to, &x, sizeof x); }
RBN_INLINE vd vload_double(const double *from) {
  vd x;
  memcpy(&x, from, sizeof x);
  return x;
}
RBN_INLINE void vstore_double(double *to, vd x) { memcpy(to, &x, sizeof x); }
RBN_INLINE vf vsplat(float x) { return x - (vf){0}; }
RBN_INLINE vi vsplat_int(int32_t x) { return x + (vi){0}; }
RBN_INLINE vf vselect(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
RBN_INLINE vd vwiden(vf x) { return __builtin_convertvector(x, vd); }

// Loads and stores of at most one vector, `count` lanes of it.
RBN_INLINE vf vload_partial(const float *from, size_t count);
RBN_INLINE void vstore_partial(float *to, vf x, size_t count);
RBN_INLINE vf vload_up_to(const float *from, size_t count) {
  return count >= RBN_VECTOR_LENGTH ? vload(from) : vload_partial(from, count);
}
RBN_INLINE void vstore_up_to(float *to, vf x, size_t count) {
  if (count >= RBN_VECTOR_LENGTH) {
    vstore(to, x);
  } else {
    vstore_partial(to, x, count);
  }
}
