// The end of a tile: from accumulators in registers to stored outputs. See rbn_epilogue.
#pragma once

#include "../elementwise/functions.h"

void RBN_NAME(rbn_unary)(const float *, float *, size_t count, rbn_activation);

// Lets an epilogue begin `channels` later.
RBN_INLINE void epilogue_advance(rbn_epilogue *e, size_t channels) {
  if (e->bias) e->bias += channels;
  if (e->scale) e->scale += channels, e->shift += channels;
  if (e->residual) e->residual += channels;
  if (e->sums) e->sums += channels;
}

// The activations that are not a clamp, through memory: their registers are needed.
RBN_INLINE void activate_tile(size_t count, vf *acc, const rbn_activation *activation) {
  float values[count * RBN_VECTOR_LENGTH];
  RBN_UNROLL for (size_t i = 0; i < count; i++) vstore(values + i * RBN_VECTOR_LENGTH, acc[i]);
  RBN_NAME(rbn_unary)(values, values, count * RBN_VECTOR_LENGTH, *activation);
  RBN_UNROLL for (size_t i = 0; i < count; i++) acc[i] = vload(values + i * RBN_VECTOR_LENGTH);
}

// `pixels` and `vectors` are constants after inlining. `channels` may end within the last vectors; `full` says that
// it does not. `first_pixel` counts from the task's first; `sums_row` is the row of sums that the tile adds to.
RBN_INLINE void finish_tile(
    size_t pixels, size_t vectors, vf *acc, const rbn_epilogue *e, size_t first_pixel, size_t sums_row,
    size_t channels, int full, float *output, size_t stride) {
  RBN_UNROLL for (size_t j = 0; j < vectors; j++) {
    const size_t c = j * RBN_VECTOR_LENGTH;
    const size_t lanes = full ? RBN_VECTOR_LENGTH : channels > c ? channels - c : 0;
    if (lanes == 0) break;
    if (e->bias) {
      const vf bias = vload_up_to(e->bias + c, lanes);
      RBN_UNROLL for (size_t p = 0; p < pixels; p++) acc[p * vectors + j] += bias;
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
  }
  if (e->activation.kind == RBN_CLAMP) {
    const vf low = vsplat(e->activation.low), high = vsplat(e->activation.high);
    RBN_UNROLL for (size_t i = 0; i < pixels * vectors; i++) acc[i] = vmin(high, vmax(low, acc[i]));
  } else {
    activate_tile(pixels * vectors, acc, &e->activation);
  }
  RBN_UNROLL for (size_t j = 0; j < vectors; j++) {
    const size_t c = j * RBN_VECTOR_LENGTH;
    const size_t lanes = full ? RBN_VECTOR_LENGTH : channels > c ? channels - c : 0;
    if (lanes == 0) break;
    if (e->sums) {
      vf sum = acc[j];
      RBN_UNROLL for (size_t p = 1; p < pixels; p++) sum += acc[p * vectors + j];
      float *row = e->sums + sums_row * e->sums_stride + c;
      vstore_up_to(row, vload_up_to(row, lanes) + sum, lanes);
    }
    RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
      vstore_up_to(output + p * stride + c, acc[p * vectors + j], lanes);
    }
  }
}
