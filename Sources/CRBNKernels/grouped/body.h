// Convolution in small groups: as many groups to a vector of channels as fit, so that channels are the lanes as in a
// depthwise convolution, and each lane's group is spread over its lanes one input channel at a time.

#include "../conv2d/epilogue.h"

// The value of input channel k of each lane's group of `size`, a constant after inlining.
#define RBN_SPREAD_4(k) (k), (k), (k), (k)
#define RBN_SPREAD_8(k) RBN_SPREAD_4(k), RBN_SPREAD_4(k)

#if RBN_VECTOR_LENGTH == 16
#define RBN_GROUPS_OF_4(k) RBN_SPREAD_4(k), RBN_SPREAD_4(k + 4), RBN_SPREAD_4(k + 8), RBN_SPREAD_4(k + 12)
#define RBN_GROUPS_OF_8(k) RBN_SPREAD_8(k), RBN_SPREAD_8(k + 8)
#elif RBN_VECTOR_LENGTH == 8
#define RBN_GROUPS_OF_4(k) RBN_SPREAD_4(k), RBN_SPREAD_4(k + 4)
#endif

#define RBN_SPREAD_CASE(groups, k) \
  case k: return __builtin_shufflevector(x, x, groups(k));

RBN_INLINE vf spread_group(size_t size, const float *row, vf x, size_t k) {
  (void)x, (void)size;
#ifdef RBN_GROUPS_OF_4
  if (size == 4) {
    switch (k) {
      RBN_SPREAD_CASE(RBN_GROUPS_OF_4, 0)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_4, 1)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_4, 2)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_4, 3)
      default: break;
    }
  }
#endif
#ifdef RBN_GROUPS_OF_8
  if (size == 8) {
    switch (k) {
      RBN_SPREAD_CASE(RBN_GROUPS_OF_8, 0)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_8, 1)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_8, 2)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_8, 3)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_8, 4)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_8, 5)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_8, 6)
      RBN_SPREAD_CASE(RBN_GROUPS_OF_8, 7)
      default: break;
    }
  }
#endif
  // A group fills the vector.
  return vsplat(row[k]);
}

RBN_INLINE void grouped_tile(
    size_t pixels, size_t size, const rbn_depthwise_task *t, const float *const *rows, size_t first_pixel, size_t c) {
  vf acc[RBN_DEPTHWISE_TILE];
  RBN_UNROLL for (size_t p = 0; p < pixels; p++) acc[p] = vsplat(0);
  const float *weights = t->weights + c * t->taps * size;
  for (size_t tap = 0; tap < t->taps; tap++) {
    vf x[RBN_DEPTHWISE_TILE];
    const float *row[RBN_DEPTHWISE_TILE];
    RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
      row[p] = rows[tap * RBN_DEPTHWISE_TILE + p] + c;
      x[p] = vload(row[p]);
    }
    RBN_UNROLL for (size_t k = 0; k < size; k++) {
      const vf w = vload(weights + k * RBN_VECTOR_LENGTH);
      RBN_UNROLL for (size_t p = 0; p < pixels; p++) acc[p] = vfma(spread_group(size, row[p], x[p], k), w, acc[p]);
    }
    weights += size * RBN_VECTOR_LENGTH;
  }
  rbn_epilogue e = t->epilogue;
  epilogue_advance(&e, c);
  finish_tile(
      pixels, 1, acc, &e, first_pixel, first_pixel / RBN_SUMS_BLOCK, RBN_VECTOR_LENGTH, 1,
      t->output + first_pixel * t->output_stride + c, t->output_stride);
}

RBN_INLINE void grouped_pixels(size_t size, const rbn_depthwise_task *t) {
  for (size_t first = 0; first < t->pixels; first += RBN_DEPTHWISE_TILE) {
    const size_t left = t->pixels - first;
    const float *const *rows = t->rows + first * t->taps;
    for (size_t c = 0; c < t->channels; c += RBN_VECTOR_LENGTH) {
      if (left >= RBN_DEPTHWISE_TILE) {
        grouped_tile(RBN_DEPTHWISE_TILE, size, t, rows, first, c);
      } else {
        for (size_t p = 0; p < left; p++) grouped_tile(1, size, t, rows + p, first + p, c);
      }
    }
  }
}

void RBN_NAME(rbn_grouped)(const rbn_depthwise_task *t) {
  switch (t->multiplier) {
    case 4: grouped_pixels(4, t); break;
#if RBN_VECTOR_LENGTH >= 8
    case 8: grouped_pixels(8, t); break;
#endif
#if RBN_VECTOR_LENGTH >= 16
    case 16: grouped_pixels(16, t); break;
#endif
    default: break;
  }
}
