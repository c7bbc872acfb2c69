#include "functions.h"

#define RBN_EACH_KIND(use)                                                                                     \
  use(RBN_CLAMP) use(RBN_HARDSWISH) use(RBN_HARDSIGMOID) use(RBN_SILU) use(RBN_SIGMOID) use(RBN_GELU)          \
      use(RBN_GELU_TANH) use(RBN_EXP) use(RBN_TANH) use(RBN_NEG) use(RBN_ABS) use(RBN_SQRT) use(RBN_RSQRT)     \
          use(RBN_RECIPROCAL) use(RBN_LEAKY_RELU) use(RBN_ELU) use(RBN_MISH)

RBN_INLINE void unary_loop(const float *x, float *out, size_t count, int32_t kind, float low, float high) {
  size_t i = 0;
  for (; i + RBN_VECTOR_LENGTH <= count; i += RBN_VECTOR_LENGTH) {
    vstore(out + i, vactivate(kind, low, high, vload(x + i)));
  }
  if (i < count) vstore_partial(out + i, vactivate(kind, low, high, vload_partial(x + i, count - i)), count - i);
}

void RBN_NAME(rbn_unary)(const float *x, float *out, size_t count, rbn_activation f) {
  switch (f.kind) {
#define RBN_CASE(kind) \
  case kind: unary_loop(x, out, count, kind, f.low, f.high); break;
    RBN_EACH_KIND(RBN_CASE)
#undef RBN_CASE
    default: break;
  }
}

RBN_INLINE vf vcombine(int32_t operation, vf a, vf b) {
  switch (operation) {
    case RBN_ADD: return a + b;
    case RBN_SUB: return a - b;
    case RBN_MUL: return a * b;
    case RBN_MAXIMUM: return vselect((a > b) | (a != a), a, b);
    case RBN_MINIMUM: return vselect((a < b) | (a != a), a, b);
    default: return a / b;
  }
}

RBN_INLINE void binary_rows(int32_t operation, const rbn_binary_task *t) {
  const float *first = t->swapped ? t->b : t->a, *second = t->swapped ? t->a : t->b;
  const size_t first_step = t->swapped && t->repeats_row ? 0 : t->channels;
  const size_t second_step = !t->swapped && t->repeats_row ? 0 : t->channels;
  for (size_t r = 0; r < t->rows; r++) {
    const float *a = first + r * first_step, *b = second + r * second_step;
    float *out = t->output + r * t->channels;
    for (size_t c = 0; c < t->channels; c += RBN_VECTOR_LENGTH) {
      const size_t lanes = t->channels - c;
      vstore_up_to(out + c, vcombine(operation, vload_up_to(a + c, lanes), vload_up_to(b + c, lanes)), lanes);
    }
  }
}

void RBN_NAME(rbn_binary)(const rbn_binary_task *t) {
  switch (t->operation) {
    case RBN_ADD: binary_rows(RBN_ADD, t); break;
    case RBN_SUB: binary_rows(RBN_SUB, t); break;
    case RBN_MUL: binary_rows(RBN_MUL, t); break;
    case RBN_MAXIMUM: binary_rows(RBN_MAXIMUM, t); break;
    case RBN_MINIMUM: binary_rows(RBN_MINIMUM, t); break;
    default: binary_rows(RBN_DIV, t); break;
  }
}

RBN_INLINE void scalar_loop(
    int32_t operation, int32_t swapped, const float *x, float scalar, float *out, size_t count) {
  const vf s = vsplat(scalar);
  for (size_t i = 0; i < count; i += RBN_VECTOR_LENGTH) {
    const vf v = vload_up_to(x + i, count - i);
    vstore_up_to(out + i, swapped ? vcombine(operation, s, v) : vcombine(operation, v, s), count - i);
  }
}

void RBN_NAME(rbn_binary_scalar)(
    int32_t operation, int32_t swapped, const float *x, float scalar, float *out, size_t count) {
  switch (operation) {
    case RBN_ADD: scalar_loop(RBN_ADD, swapped, x, scalar, out, count); break;
    case RBN_SUB: scalar_loop(RBN_SUB, swapped, x, scalar, out, count); break;
    case RBN_MUL: scalar_loop(RBN_MUL, swapped, x, scalar, out, count); break;
    case RBN_MAXIMUM: scalar_loop(RBN_MAXIMUM, swapped, x, scalar, out, count); break;
    case RBN_MINIMUM: scalar_loop(RBN_MINIMUM, swapped, x, scalar, out, count); break;
    default: scalar_loop(RBN_DIV, swapped, x, scalar, out, count); break;
  }
}
