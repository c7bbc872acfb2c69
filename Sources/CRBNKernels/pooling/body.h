// Pooling of one window over all channels, which are contiguous.

// The larger one, or the NaN if there is one.
RBN_INLINE vf vmax_or_nan(vf a, vf x) { return vselect((x > a) | (x != x), x, a); }

void RBN_NAME(rbn_max_pool)(const rbn_pool_task *t) {
  for (size_t c = 0; c < t->channels; c += RBN_VECTOR_LENGTH) {
    const size_t lanes = t->channels - c;
    vf largest = vsplat(-__builtin_inff());
    for (size_t i = 0; i < t->rows; i++) {
      const float *x = t->input + i * t->row_stride + c;
      for (size_t j = 0; j < t->columns; j++) {
        largest = vmax_or_nan(largest, vload_up_to(x + j * t->column_stride, lanes));
      }
    }
    vstore_up_to(t->output + c, largest, lanes);
  }
}

// Sums each row of the window first, then the rows: shorter chains of roundings.
void RBN_NAME(rbn_mean_pool)(const rbn_pool_task *t, float divisor) {
  for (size_t c = 0; c < t->channels; c += RBN_VECTOR_LENGTH) {
    const size_t lanes = t->channels - c;
    vf sum = vsplat(0);
    for (size_t i = 0; i < t->rows; i++) {
      const float *x = t->input + i * t->row_stride + c;
      vf row = vsplat(0);
      for (size_t j = 0; j < t->columns; j++) row += vload_up_to(x + j * t->column_stride, lanes);
      sum += row;
    }
    vstore_up_to(t->output + c, sum / divisor, lanes);
  }
}
