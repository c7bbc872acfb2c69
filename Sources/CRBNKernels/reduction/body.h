// Sums over pixels and the per-instance affine map that follows them in a Representative BatchNorm.

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

void RBN_NAME(rbn_affine)(const rbn_affine_task *t) {
  const int clamps = t->activation.kind == RBN_CLAMP;
  const float low = clamps ? t->activation.low : -__builtin_inff();
  const float high = clamps ? t->activation.high : __builtin_inff();
  for (size_t r = 0; r < t->rows; r++) {
    const float *x = t->input + r * t->channels;
    const float *residual = t->residual ? t->residual + r * t->channels : NULL;
    float *out = t->output + r * t->channels;
    for (size_t c = 0; c < t->channels; c += RBN_VECTOR_LENGTH) {
      const size_t lanes = t->channels - c;
      vf v = vfma(vload_up_to(x + c, lanes), vload_up_to(t->scale + c, lanes), vload_up_to(t->shift + c, lanes));
      if (residual) v += vload_up_to(residual + c, lanes);
      vstore_up_to(out + c, vclamp(v, low, high), lanes);
    }
    if (!clamps) RBN_NAME(rbn_unary)(out, out, t->channels, t->activation);
  }
}
