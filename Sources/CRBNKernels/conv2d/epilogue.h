// The end of a convolution tile: from accumulators in registers to stored outputs. See rbn_epilogue.

#include "../elementwise/functions.h"

// `pixels` and `vectors` are constants after inlining. `channels` may end within the last vectors; `full` says that
// it does not. `first_pixel` counts from the task's first, for the choice of the row of sums.
RBN_INLINE void finish_tile(
    size_t pixels, size_t vectors, vf *acc, const rbn_epilogue *e, size_t first_pixel, size_t channels, int full,
    float *output, size_t stride) {
  const vf low = vsplat(e->activation.kind == RBN_CLAMP ? e->activation.low : -__builtin_inff());
  const vf high = vsplat(e->activation.kind == RBN_CLAMP ? e->activation.high : __builtin_inff());
  RBN_UNROLL for (size_t j = 0; j < vectors; j++) {
    const size_t c = j * RBN_VECTOR_LENGTH;
    const size_t lanes = full ? RBN_VECTOR_LENGTH : channels > c ? channels - c : 0;
    if (lanes == 0) break;
    if (e->bias) {
      const vf bias = vload_up_to(e->bias + c, lanes);
      RBN_UNROLL for (size_t p = 0; p < pixels; p++) acc[p * vectors + j] += bias;
    }
    if (e->sums) {
      vf sum = acc[j];
      RBN_UNROLL for (size_t p = 1; p < pixels; p++) sum += acc[p * vectors + j];
      double *row = e->sums + first_pixel / RBN_SUMS_BLOCK * e->sums_stride + c;
      if (lanes >= RBN_VECTOR_LENGTH) {
        vstore_double(row, vload_double(row) + vwiden(sum));
      } else {
        for (size_t i = 0; i < lanes; i++) row[i] += (double)sum[i];
      }
    }
    if (e->scale) {
      const vf scale = vload_up_to(e->scale + c, lanes), shift = vload_up_to(e->shift + c, lanes);
      RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
        acc[p * vectors + j] = vfma(acc[p * vectors + j], scale, shift);
      }
    }
    if (e->residual) {
      const float *residual = e->residual + first_pixel * stride + c;
      RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
        acc[p * vectors + j] += vload_up_to(residual + p * stride, lanes);
      }
    }
    RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
      vstore_up_to(output + p * stride + c, vmin(high, vmax(low, acc[p * vectors + j])), lanes);
    }
  }
}

// The activations that are not a clamp, over outputs that were just stored and are still in the first-level cache.
RBN_INLINE void finish_activation(
    const rbn_epilogue *e, size_t pixels, size_t channels, float *output, size_t stride) {
  if (e->activation.kind == RBN_CLAMP) return;
  for (size_t p = 0; p < pixels; p++) {
    RBN_NAME(rbn_unary)(output + p * stride, output + p * stride, channels, e->activation);
  }
}
