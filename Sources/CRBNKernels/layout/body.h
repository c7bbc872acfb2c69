// Transposition in square blocks that fit in the first-level cache, read along rows of the narrower side.

enum { TRANSPOSE_BLOCK = 32 };

// Few rows, as the colours of an image: each row of the output is a handful of floats.
RBN_INLINE void transpose_few(
    const float *x, size_t rows, size_t columns, size_t input_stride, float *out, size_t output_stride) {
  for (size_t c = 0; c < columns; c++) {
    RBN_UNROLL for (size_t r = 0; r < rows; r++) out[c * output_stride + r] = x[r * input_stride + c];
  }
}

void RBN_NAME(rbn_transpose)(
    const float *x, size_t rows, size_t columns, size_t input_stride, float *out, size_t output_stride) {
  if (rows == 3) {
    transpose_few(x, 3, columns, input_stride, out, output_stride);
    return;
  }
  for (size_t r0 = 0; r0 < rows; r0 += TRANSPOSE_BLOCK) {
    const size_t r1 = r0 + TRANSPOSE_BLOCK < rows ? r0 + TRANSPOSE_BLOCK : rows;
    for (size_t c0 = 0; c0 < columns; c0 += TRANSPOSE_BLOCK) {
      const size_t c1 = c0 + TRANSPOSE_BLOCK < columns ? c0 + TRANSPOSE_BLOCK : columns;
      for (size_t c = c0; c < c1; c++) {
        for (size_t r = r0; r < r1; r++) out[c * output_stride + r] = x[r * input_stride + c];
      }
    }
  }
}
