// Depthwise convolution: each output channel reads one input channel, so channels are the lanes.

#include "../conv2d/epilogue.h"

enum { DEPTHWISE_VECTORS = 2 };

// The input channels of output channels c ..< c + lanes, of which there are `multiplier` to each input channel.
RBN_INLINE vf load_repeated(const float *x, size_t c, size_t lanes, size_t multiplier) {
  vf v = {0};
  for (size_t i = 0; i < RBN_VECTOR_LENGTH; i++) {
    if (i < lanes) v[i] = x[(c + i) / multiplier];
  }
  return v;
}

RBN_INLINE void depthwise_tile(
    size_t pixels, size_t vectors, int full, const rbn_depthwise_task *t, const float *const *rows,
    size_t first_pixel, size_t c, size_t channels) {
  vf acc[RBN_DEPTHWISE_TILE * DEPTHWISE_VECTORS];
  RBN_UNROLL for (size_t i = 0; i < pixels * vectors; i++) acc[i] = vsplat(0);
  for (size_t tap = 0; tap < t->taps; tap++) {
    const float *weights = t->weights + tap * t->weights_stride + c;
    RBN_UNROLL for (size_t j = 0; j < vectors; j++) {
      const vf w = vload(weights + j * RBN_VECTOR_LENGTH);
      const size_t first = c + j * RBN_VECTOR_LENGTH;
      RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
        const float *x = rows[tap * RBN_DEPTHWISE_TILE + p];
        const vf v = full ? vload(x + first)
                          : t->multiplier == 1 ? vload_up_to(x + first, channels)
                                               : load_repeated(x, first, channels, t->multiplier);
        acc[p * vectors + j] = vfma(v, w, acc[p * vectors + j]);
      }
    }
  }
  rbn_epilogue e = t->epilogue;
  epilogue_advance(&e, c);
  float *output = t->output + first_pixel * t->output_stride + c;
  finish_tile(
      pixels, vectors, acc, &e, first_pixel, first_pixel / RBN_SUMS_BLOCK, channels, full, output, t->output_stride);
}

RBN_INLINE void depthwise_pixels(
    size_t pixels, const rbn_depthwise_task *t, const float *const *rows, size_t first_pixel) {
  const size_t wide = DEPTHWISE_VECTORS * RBN_VECTOR_LENGTH;
  size_t c = 0;
  if (t->multiplier == 1) {
    for (; c + wide <= t->channels; c += wide) {
      depthwise_tile(pixels, DEPTHWISE_VECTORS, 1, t, rows, first_pixel, c, wide);
    }
  }
  for (; c < t->channels; c += RBN_VECTOR_LENGTH) {
    const size_t left = t->channels - c;
    depthwise_tile(
        pixels, 1, 0, t, rows, first_pixel, c, left < RBN_VECTOR_LENGTH ? left : RBN_VECTOR_LENGTH);
  }
}

void RBN_NAME(rbn_depthwise)(const rbn_depthwise_task *t) {
  for (size_t first = 0; first < t->pixels; first += RBN_DEPTHWISE_TILE) {
    const size_t left = t->pixels - first;
    const float *const *rows = t->rows + first * t->taps;
    if (left >= RBN_DEPTHWISE_TILE) {
      depthwise_pixels(RBN_DEPTHWISE_TILE, t, rows, first);
    } else {
      for (size_t p = 0; p < left; p++) depthwise_pixels(1, t, rows + p, first + p);
    }
  }
}
