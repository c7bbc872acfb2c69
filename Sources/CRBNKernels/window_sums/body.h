// What each tap of a sliding window sums to over all positions of the window, from the sums over the whole image.

// sums[c] += x[c], in double precision.
RBN_INLINE void add_row(const float *x, size_t channels, double *sums) {
  size_t c = 0;
  for (; c + RBN_VECTOR_LENGTH <= channels; c += RBN_VECTOR_LENGTH) {
    vstore_double(sums + c, vload_double(sums + c) + vwiden(vload(x + c)));
  }
  for (; c < channels; c++) sums[c] += (double)x[c];
}

// The rows (or columns) of an image that tap i's window never covers: [0, before) and [after, size).
typedef struct uncovered {
  size_t before, after;
} uncovered;

// Stride 1: tap i covers positions i * dilation - padding ..< output + i * dilation - padding.
RBN_INLINE uncovered tap_range(size_t i, size_t dilation, size_t padding, size_t output, size_t size) {
  const size_t offset = i * dilation;
  const size_t start = offset > padding ? offset - padding : 0;
  const size_t end = output + offset > padding ? output + offset - padding : 0;
  return (uncovered){start < size ? start : size, end < size ? end : size};
}

// Calls `body` with each position that is not covered.
#define RBN_EACH_UNCOVERED(position, range, size, body)                                                       \
  for (size_t position = 0; position < (size); position++) {                                                  \
    if (position == (range).before) position = (range).after;                                                 \
    if (position < (size)) body;                                                                              \
  }

RBN_INLINE void zero_doubles(double *x, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = 0;
}

// With T the image's total, R the sum of the rows that a tap leaves out and C that of the columns, the tap's sum is
// T - R - C + (the pixels that are in both).
void RBN_NAME(rbn_window_means)(const rbn_window *w, const double *totals, double *scratch, float *means) {
  const size_t channels = w->channels;
  const double scale = 1.0 / ((double)w->output_height * (double)w->output_width);
  double *row_sums = scratch, *column_sums = scratch + w->kernel_height * channels;
  double *sums = column_sums + w->kernel_width * channels;
  for (size_t i = 0; i < w->kernel_height; i++) {
    const uncovered rows = tap_range(i, w->dilation_y, w->padding_y, w->output_height, w->height);
    zero_doubles(row_sums + i * channels, channels);
    RBN_EACH_UNCOVERED(y, rows, w->height, {
      for (size_t x = 0; x < w->width; x++) {
        add_row(w->input + (y * w->width + x) * channels, channels, row_sums + i * channels);
      }
    })
  }
  for (size_t j = 0; j < w->kernel_width; j++) {
    const uncovered columns = tap_range(j, w->dilation_x, w->padding_x, w->output_width, w->width);
    zero_doubles(column_sums + j * channels, channels);
    RBN_EACH_UNCOVERED(x, columns, w->width, {
      for (size_t y = 0; y < w->height; y++) {
        add_row(w->input + (y * w->width + x) * channels, channels, column_sums + j * channels);
      }
    })
  }
  for (size_t i = 0; i < w->kernel_height; i++) {
    const uncovered rows = tap_range(i, w->dilation_y, w->padding_y, w->output_height, w->height);
    for (size_t j = 0; j < w->kernel_width; j++) {
      const uncovered columns = tap_range(j, w->dilation_x, w->padding_x, w->output_width, w->width);
      const double *r = row_sums + i * channels, *l = column_sums + j * channels;
      for (size_t c = 0; c < channels; c++) sums[c] = totals[c] - r[c] - l[c];
      RBN_EACH_UNCOVERED(y, rows, w->height, {
        RBN_EACH_UNCOVERED(x, columns, w->width, {
          add_row(w->input + (y * w->width + x) * channels, channels, sums);
        })
      })
      float *out = means + (i * w->kernel_width + j) * channels;
      for (size_t c = 0; c < channels; c++) out[c] = (float)(sums[c] * scale);
    }
  }
}
