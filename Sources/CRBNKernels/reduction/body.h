// Sums over pixels, for means over H and W.

#include "../elementwise/functions.h"

// Adds, over the rows, the elements or their squares.
RBN_INLINE void channel_totals(
    int squares, const float *x, size_t rows, size_t row_stride, size_t channels, double *sums) {
  size_t c = 0;
  for (; c + 2 * RBN_VECTOR_LENGTH <= channels; c += 2 * RBN_VECTOR_LENGTH) {
    vd a = vload_double(sums + c), b = vload_double(sums + c + RBN_VECTOR_LENGTH);
    for (size_t r = 0; r < rows; r++) {
      const vd u = vwiden(vload(x + r * row_stride + c));
      const vd v = vwiden(vload(x + r * row_stride + c + RBN_VECTOR_LENGTH));
      a += squares ? u * u : u;
      b += squares ? v * v : v;
    }
    vstore_double(sums + c, a);
    vstore_double(sums + c + RBN_VECTOR_LENGTH, b);
  }
  for (; c < channels; c += RBN_VECTOR_LENGTH) {
    const size_t lanes = channels - c < RBN_VECTOR_LENGTH ? channels - c : RBN_VECTOR_LENGTH;
    vd a = {0};
    for (size_t i = 0; i < lanes; i++) a[i] = sums[c + i];
    for (size_t r = 0; r < rows; r++) {
      const vd u = vwiden(vload_up_to(x + r * row_stride + c, lanes));
      a += squares ? u * u : u;
    }
    for (size_t i = 0; i < lanes; i++) sums[c + i] = a[i];
  }
}

void RBN_NAME(rbn_channel_sums)(
    const float *x, size_t rows, size_t row_stride, size_t channels, double *sums) {
  channel_totals(0, x, rows, row_stride, channels, sums);
}

void RBN_NAME(rbn_channel_squares)(
    const float *x, size_t rows, size_t row_stride, size_t channels, double *sums) {
  channel_totals(1, x, rows, row_stride, channels, sums);
}

// Σ (x - shift)^power over a row, power 1 or 2, in lanes that are added up last.
RBN_INLINE double row_total(int power, const float *x, size_t columns, double shift) {
  vd total = {0};
  size_t c = 0;
  for (; c + RBN_VECTOR_LENGTH <= columns; c += RBN_VECTOR_LENGTH) {
    const vd v = vwiden(vload(x + c)) - shift;
    total += power == 2 ? v * v : v;
  }
  double sum = 0;
  for (size_t i = 0; i < RBN_VECTOR_LENGTH; i++) sum += total[i];
  for (; c < columns; c++) {
    const double v = (double)x[c] - shift;
    sum += power == 2 ? v * v : v;
  }
  return sum;
}

void RBN_NAME(rbn_row_norm)(const rbn_row_norm_task *t) {
  for (size_t r = 0; r < t->rows; r++) {
    const float *x = t->input + r * t->columns;
    float *out = t->output + r * t->columns;
    const double mean = row_total(1, x, t->columns, 0) / (double)t->columns;
    const double variance = row_total(2, x, t->columns, mean) / (double)t->columns;
    const double inverse = 1 / __builtin_sqrt(variance + t->eps);
    const float scale = (float)inverse;
    // What rounding the mean to float32 leaves out counts where the mean is large.
    const float center = (float)mean, rest = (float)(((double)center - mean) * inverse);
    for (size_t c = 0; c < t->columns; c += RBN_VECTOR_LENGTH) {
      const size_t lanes = t->columns - c;
      vf v = vfma(vload_up_to(x + c, lanes) - center, vsplat(scale), vsplat(rest));
      if (t->weight) v *= vload_up_to(t->weight + c, lanes);
      if (t->bias) v += vload_up_to(t->bias + c, lanes);
      vstore_up_to(out + c, v, lanes);
    }
  }
}

void RBN_NAME(rbn_softmax_rows)(const float *input, size_t rows, size_t columns, float *output) {
  for (size_t r = 0; r < rows; r++) {
    const float *x = input + r * columns;
    float *out = output + r * columns;
    float largest = -__builtin_inff();
    for (size_t c = 0; c < columns; c++) largest = x[c] > largest || x[c] != x[c] ? x[c] : largest;
    if (largest == -__builtin_inff()) {
      memset(out, 0, columns * sizeof *out);
      continue;
    }
    for (size_t c = 0; c < columns; c += RBN_VECTOR_LENGTH) {
      const size_t lanes = columns - c;
      vstore_up_to(out + c, vexp(vload_up_to(x + c, lanes) - largest), lanes);
    }
    const float factor = (float)(1 / row_total(1, out, columns, 0));
    for (size_t c = 0; c < columns; c += RBN_VECTOR_LENGTH) {
      const size_t lanes = columns - c;
      vstore_up_to(out + c, vload_up_to(out + c, lanes) * factor, lanes);
    }
  }
}

void RBN_NAME(rbn_blend)(const rbn_blend_task *t) {
  for (size_t c = 0; c < t->channels; c += RBN_VECTOR_LENGTH) {
    const size_t lanes = t->channels - c;
    vf sum = vload_up_to(t->rows[0] + c, lanes) * t->weights[0];
    for (size_t i = 1; i < t->count; i++) {
      sum = vfma(vload_up_to(t->rows[i] + c, lanes), vsplat(t->weights[i]), sum);
    }
    vstore_up_to(t->output + c, sum, lanes);
  }
}
