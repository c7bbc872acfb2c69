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

// Whether the windows of a tile's pixels overlap as those of neighbours in a row do, and nothing of them is padding: the
// columns that they read, from the first of the first to the last of the last, lie side by side.
RBN_INLINE int windows_overlap(const rbn_depthwise_task *t, const float *const *rows) {
  enum { TILE = RBN_DEPTHWISE_TILE };
  const size_t width = t->kernel_width, pixel = t->stride_x * t->column_stride;
  const size_t last = (width - 1) * t->column_stride;
  // What holds for the columns of one row of the windows holds for all rows that are not padding.
  for (size_t p = 0; p < TILE; p++) {
    const float *first = rows[0] + p * pixel;
    if (rows[p] != first || rows[(width - 1) * TILE + p] != first + last) return 0;
  }
  for (size_t tap = width; tap < t->taps; tap += width) {
    if (rows[tap * TILE] + (TILE - 1) * pixel != rows[tap * TILE + TILE - 1]) return 0;
  }
  return 1;
}

// A tile whose windows overlap, one vector of channels: each column is loaded once for all windows that it is in, and
// each weight once for all pixels. `width` and `stride` are constants after inlining. The sums are those of
// depthwise_tile, in the same order.
RBN_INLINE void overlapping_tile(
    size_t width, size_t stride, const rbn_depthwise_task *t, const float *const *rows, size_t first_pixel, size_t c) {
  enum { TILE = RBN_DEPTHWISE_TILE };
  vf acc[TILE];
  RBN_UNROLL for (size_t p = 0; p < TILE; p++) acc[p] = vsplat(0);
  for (size_t tap = 0; tap < t->taps; tap += width) {
    const float *x = rows[tap * TILE] + c;
    vf w[5];
    RBN_UNROLL for (size_t j = 0; j < width; j++) w[j] = vload(t->weights + (tap + j) * t->weights_stride + c);
    RBN_UNROLL for (size_t column = 0; column < (TILE - 1) * stride + width; column++) {
      const vf v = vload(x + column * t->column_stride);
      RBN_UNROLL for (size_t p = 0; p < TILE; p++) {
        if (column >= p * stride && column - p * stride < width) acc[p] = vfma(v, w[column - p * stride], acc[p]);
      }
    }
  }
  rbn_epilogue e = t->epilogue;
  epilogue_advance(&e, c);
  finish_tile(
      TILE, 1, acc, &e, first_pixel, first_pixel / RBN_SUMS_BLOCK, RBN_VECTOR_LENGTH, 1,
      t->output + first_pixel * t->output_stride + c, t->output_stride);
}

// All channels of such a tile that fill vectors; returns how many.
RBN_INLINE size_t overlapping_channels(
    size_t width, size_t stride, const rbn_depthwise_task *t, const float *const *rows, size_t first_pixel) {
  size_t c = 0;
  for (; c + RBN_VECTOR_LENGTH <= t->channels; c += RBN_VECTOR_LENGTH) {
    overlapping_tile(width, stride, t, rows, first_pixel, c);
  }
  return c;
}

static size_t overlapping_pixels(const rbn_depthwise_task *t, const float *const *rows, size_t first_pixel) {
  if (t->multiplier != 1 || !windows_overlap(t, rows)) return 0;
  switch (t->kernel_width * 10 + t->stride_x) {
    case 31: return overlapping_channels(3, 1, t, rows, first_pixel);
    case 32: return overlapping_channels(3, 2, t, rows, first_pixel);
    case 51: return overlapping_channels(5, 1, t, rows, first_pixel);
    case 52: return overlapping_channels(5, 2, t, rows, first_pixel);
    default: return 0;
  }
}

RBN_INLINE void depthwise_pixels(
    size_t pixels, const rbn_depthwise_task *t, const float *const *rows, size_t first_pixel) {
  const size_t wide = DEPTHWISE_VECTORS * RBN_VECTOR_LENGTH;
  size_t c = pixels == RBN_DEPTHWISE_TILE ? overlapping_pixels(t, rows, first_pixel) : 0;
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
