// Sums over pixels, for means over H and W.

#include "../elementwise/functions.h"

void RBN_NAME(rbn_channel_sums)(
    const float *x, size_t rows, size_t row_stride, size_t channels, double *sums) {
  size_t c = 0;
  for (; c + 2 * RBN_VECTOR_LENGTH <= channels; c += 2 * RBN_VECTOR_LENGTH) {
    vd a = vload_double(sums + c), b = vload_double(sums + c + RBN_VECTOR_LENGTH);
    for (size_t r = 0; r < rows; r++) {
      a += vwiden(vload(x + r * row_stride + c));
      b += vwiden(vload(x + r * row_stride + c + RBN_VECTOR_LENGTH));
    }
    vstore_double(sums + c, a);
    vstore_double(sums + c + RBN_VECTOR_LENGTH, b);
  }
  for (; c < channels; c += RBN_VECTOR_LENGTH) {
    const size_t lanes = channels - c < RBN_VECTOR_LENGTH ? channels - c : RBN_VECTOR_LENGTH;
    vd a = {0};
    for (size_t i = 0; i < lanes; i++) a[i] = sums[c + i];
    for (size_t r = 0; r < rows; r++) a += vwiden(vload_up_to(x + r * row_stride + c, lanes));
    for (size_t i = 0; i < lanes; i++) sums[c + i] = a[i];
  }
}

