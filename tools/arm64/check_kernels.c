// Runs the portable kernels, which are those of arm64, around the sizes of their tiles and compares them with plain loops in
// double precision. Prints a line a kernel; the exit status is the number of kernels that were wrong.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rbn_kernels.h"

static uint64_t state = 42;
static float random_float(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)(int32_t)(state >> 32) / 2147483648.0f;
}
static float *random_floats(size_t count) {
  float *x = malloc((count + 64) * sizeof *x);
  for (size_t i = 0; i < count + 64; i++) x[i] = random_float();
  return x;
}

static int failures = 0;
static double largest_error = 0;
static void expect(double found, double truth, double scale) {
  const double error = fabs(found - truth) / scale;
  if (!(error <= largest_error)) largest_error = error;
}
static void report(const char *name, double bound) {
  const int fails = !(largest_error <= bound);
  printf("%-4s %-26s largest error %.1e, bound %.0e\n", fails ? "FAIL" : "ok", name, largest_error, bound);
  failures += fails;
  largest_error = 0;
}

static const rbn_activation identity = {RBN_CLAMP, -INFINITY, INFINITY};
static const rbn_activation relu = {RBN_CLAMP, 0, INFINITY};

typedef struct shape {
  size_t channels, outputs, height, width, kernel, stride, padding, dilation;
} shape;

static size_t output_size(size_t size, const shape *s) {
  return (size + 2 * s->padding - s->dilation * (s->kernel - 1) - 1) / s->stride + 1;
}

static rbn_window window_of(const shape *s, const float *x, const float *zeros) {
  return (rbn_window){x, zeros, s->channels, s->height, s->width, output_size(s->height, s), output_size(s->width, s),
                      s->kernel, s->kernel, s->stride, s->stride, s->padding, s->padding, s->dilation, s->dilation};
}

// What tap t of output pixel p reads of a channel.
static double tap_value(const shape *s, const float *x, size_t p, size_t t, size_t channel) {
  const size_t width = output_size(s->width, s);
  const long y = (long)(p / width * s->stride + t / s->kernel * s->dilation) - (long)s->padding;
  const long column = (long)(p % width * s->stride + t % s->kernel * s->dilation) - (long)s->padding;
  if (y < 0 || column < 0 || y >= (long)s->height || column >= (long)s->width) return 0;
  return x[((size_t)y * s->width + (size_t)column) * s->channels + channel];
}

// Dense convolution, with every step of the epilogue, through a tile of `pixels` × `panel`.
static void check_conv(void (*kernel)(const rbn_conv_task *), size_t pixels, size_t panel, shape s) {
  const size_t taps = s.kernel * s.kernel, count = output_size(s.height, &s) * output_size(s.width, &s);
  float *x = random_floats(s.height * s.width * s.channels), *zeros = calloc(s.channels, 4);
  float *weights = calloc(taps * s.channels * panel, 4), *output = random_floats(count * s.outputs);
  float *bias = random_floats(panel), *scale = random_floats(panel), *shift = random_floats(panel);
  float *residual = random_floats(count * s.outputs), *sums = calloc((count / RBN_SUMS_BLOCK + 1) * s.outputs, 4);
  for (size_t i = 0; i < taps * s.channels; i++) {
    for (size_t o = 0; o < s.outputs; o++) weights[i * panel + o] = random_float();
  }
  const float **rows = malloc((count + pixels) * taps * sizeof *rows);
  const rbn_window window = window_of(&s, x, zeros);
  rbn_gather_rows(&window, 0, count, pixels, rows);
  const rbn_epilogue epilogue = {bias, scale, shift, residual, sums, s.outputs, relu};
  const rbn_conv_task task = {rows, NULL, 0, 0, taps, s.channels, count, s.outputs, weights, NULL, output, s.outputs, epilogue};
  kernel(&task);
  for (size_t o = 0; o < s.outputs; o++) {
    double total = 0, found = 0;
    for (size_t p = 0; p < count; p++) {
      double v = 0;
      for (size_t t = 0; t < taps; t++) {
        for (size_t c = 0; c < s.channels; c++) v += tap_value(&s, x, p, t, c) * weights[(t * s.channels + c) * panel + o];
      }
      v = fmax(0, (v + bias[o]) * scale[o] + shift[o] + residual[p * s.outputs + o]);
      expect(output[p * s.outputs + o], v, (double)(taps * s.channels));
      total += v;
    }
    for (size_t b = 0; b < (count + RBN_SUMS_BLOCK - 1) / RBN_SUMS_BLOCK; b++) found += sums[b * s.outputs + o];
    expect(found, total, (double)(taps * s.channels * count));
  }
  free(x), free(zeros), free(weights), free(output), free(bias), free(scale), free(shift), free(residual), free(sums), free(rows);
}

// Depthwise with a multiplier, or, with `grouped`, groups of `multiplier` channels.
static void check_depthwise(shape s, size_t multiplier, int grouped) {
  enum { LANES = 4 };
  const size_t taps = s.kernel * s.kernel, count = output_size(s.height, &s) * output_size(s.width, &s);
  const size_t stride = (s.outputs + LANES - 1) / LANES * LANES, depth = grouped ? multiplier : 1;
  float *x = random_floats(s.height * s.width * s.channels), *zeros = calloc(s.channels, 4);
  float *weights = random_floats(taps * stride * depth), *output = random_floats(count * s.outputs);
  const float **rows = malloc((count + RBN_DEPTHWISE_TILE) * taps * sizeof *rows);
  const rbn_window window = window_of(&s, x, zeros);
  rbn_gather_rows(&window, 0, count, RBN_DEPTHWISE_TILE, rows);
  rbn_epilogue epilogue = {0};
  epilogue.activation = identity;
  const rbn_depthwise_task task = {rows, taps, s.kernel, s.stride, s.dilation * s.channels, multiplier, count, s.outputs,
                                   weights, stride, output, s.outputs, epilogue};
  (grouped ? rbn_grouped_portable : rbn_depthwise_portable)(&task);
  for (size_t p = 0; p < count; p++) {
    for (size_t o = 0; o < s.outputs; o++) {
      double v = 0;
      for (size_t t = 0; t < taps; t++) {
        if (!grouped) {
          v += tap_value(&s, x, p, t, o / multiplier) * weights[t * stride + o];
          continue;
        }
        for (size_t k = 0; k < depth; k++) {
          const float w = weights[((o / LANES * taps + t) * depth + k) * LANES + o % LANES];
          v += tap_value(&s, x, p, t, o / depth * depth + k) * w;
        }
      }
      expect(output[p * s.outputs + o], v, (double)(taps * depth));
    }
  }
  free(x), free(zeros), free(weights), free(output), free(rows);
}

// G g Gᵀ of F(m × m, 3 × 3), as WinogradWeights has it.
static void transform_weights(size_t m, const float *g, double *u) {
  static const double g2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  static const double g4[6][3] = {{1 / 4., 0, 0}, {-1 / 6., -1 / 6., -1 / 6.}, {-1 / 6., 1 / 6., -1 / 6.},
                                  {1 / 24., 1 / 12., 1 / 6.}, {1 / 24., -1 / 12., 1 / 6.}, {0, 0, 1}};
  const double(*matrix)[3] = m == 2 ? g2 : g4;
  const size_t n = m + 2;
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      u[i * n + j] = 0;
      for (size_t a = 0; a < 9; a++) u[i * n + j] += matrix[i][a / 3] * g[a] * matrix[j][a % 3];
    }
  }
}

// One output channel, the products between the transforms by plain loops.
static void check_winograd(size_t m, size_t height, size_t width, size_t channels) {
  const shape s = {channels, 1, height, width, 3, 1, 1, 1};
  const size_t n = m + 2, tiles_x = (width + m - 1) / m, tiles = tiles_x * ((height + m - 1) / m);
  float *x = random_floats(height * width * channels), *zeros = calloc(channels, 4), *g = random_floats(9 * channels);
  float *v = calloc(n * n * tiles * channels, 4), *products = calloc(n * n * tiles * 4, 4);
  float *output = random_floats(height * width);
  const rbn_winograd_input_task input = {m, x, zeros, channels, height, width, 1, 1, tiles_x, 0, tiles, channels,
                                         v, tiles * channels, channels};
  rbn_winograd_input_portable(&input);
  for (size_t c = 0; c < channels; c++) {
    double u[36];
    transform_weights(m, g + 9 * c, u);
    for (size_t e = 0; e < n * n; e++) {
      for (size_t t = 0; t < tiles; t++) products[(e * tiles + t) * 4] += (float)(u[e] * v[(e * tiles + t) * channels + c]);
    }
  }
  rbn_epilogue epilogue = {0};
  epilogue.activation = identity;
  const rbn_winograd_output_task task = {m, products, tiles * 4, 4, tiles_x, 0, tiles, height, width, 1, output, 1, epilogue};
  rbn_winograd_output_portable(&task);
  for (size_t p = 0; p < height * width; p++) {
    double truth = 0;
    for (size_t t = 0; t < 9; t++) {
      for (size_t c = 0; c < channels; c++) truth += tap_value(&s, x, p, t, c) * g[9 * c + t];
    }
    expect(output[p], truth, 9.0 * (double)channels);
  }
  free(x), free(zeros), free(g), free(v), free(products), free(output);
}

static void check_elementwise(size_t rows, size_t channels) {
  const size_t count = rows * channels;
  float *a = random_floats(count), *b = random_floats(count), *scale = random_floats(channels), *shift = random_floats(channels);
  float *out = random_floats(count), *sums = calloc((rows / RBN_SUMS_BLOCK + 1) * channels, 4);
  const rbn_affine_task affine = {a, scale, shift, b, out, sums, channels, rows, channels, channels, relu};
  rbn_affine_portable(&affine);
  for (size_t c = 0; c < channels; c++) {
    double total = 0, found = 0;
    for (size_t r = 0; r < rows; r++) {
      const double v = fmax(0, (double)a[r * channels + c] * scale[c] + shift[c] + b[r * channels + c]);
      expect(out[r * channels + c], v, 1);
      total += v;
    }
    for (size_t i = 0; i < (rows + RBN_SUMS_BLOCK - 1) / RBN_SUMS_BLOCK; i++) found += sums[i * channels + c];
    expect(found, total, (double)rows);
  }
  const rbn_binary_task binary = {RBN_MUL, 0, 1, a, scale, out, rows, channels};
  rbn_binary_portable(&binary);
  for (size_t i = 0; i < count; i++) expect(out[i], (double)a[i] * scale[i % channels], 1);
  rbn_transpose_portable(a, rows, channels, channels, out, rows);
  for (size_t i = 0; i < count; i++) expect(out[i % channels * rows + i / channels], a[i], 1);
  free(a), free(b), free(scale), free(shift), free(out), free(sums);
}

static void check_functions(size_t count) {
  float *x = random_floats(count), *y = random_floats(count);
  for (size_t i = 0; i < count; i++) x[i] *= 9;
#define CHECK(kind, ...)                                                    \
  {                                                                         \
    const rbn_activation f = {kind, 0, 0};                                  \
    rbn_unary_portable(x, y, count, f);                                     \
    for (size_t i = 0; i < count; i++) {                                    \
      const double v = x[i], truth = (__VA_ARGS__);                         \
      expect(y[i], truth, fmax(1, fabs(truth)));                            \
    }                                                                       \
  }
  CHECK(RBN_SIGMOID, 1 / (1 + exp(-v)))
  CHECK(RBN_SILU, v / (1 + exp(-v)))
  CHECK(RBN_HARDSWISH, v * fmin(6, fmax(0, v + 3)) / 6)
  CHECK(RBN_GELU, v * 0.5 * erfc(-v / sqrt(2)))
  CHECK(RBN_TANH, tanh(v))
  CHECK(RBN_EXP, exp(v))
  free(x), free(y);
}

static void check_reductions(size_t rows, size_t columns) {
  float *x = random_floats(rows * columns), *y = random_floats(rows * columns), *w = random_floats(columns);
  double *sums = calloc(columns, sizeof *sums);
  rbn_channel_sums_portable(x, rows, columns, columns, sums);
  rbn_softmax_rows_portable(x, rows, columns, y);
  for (size_t c = 0; c < columns; c++) {
    double total = 0;
    for (size_t r = 0; r < rows; r++) total += x[r * columns + c];
    expect(sums[c], total, (double)rows);
  }
  for (size_t r = 0; r < rows; r++) {
    double total = 0;
    for (size_t c = 0; c < columns; c++) total += exp(x[r * columns + c]);
    for (size_t c = 0; c < columns; c++) expect(y[r * columns + c], exp(x[r * columns + c]) / total, 1);
  }
  const rbn_row_norm_task norm = {x, w, NULL, 1e-5, y, rows, columns};
  rbn_row_norm_portable(&norm);
  for (size_t r = 0; r < rows; r++) {
    double mean = 0, square = 0;
    for (size_t c = 0; c < columns; c++) mean += x[r * columns + c] / (double)columns;
    for (size_t c = 0; c < columns; c++) square += pow(x[r * columns + c] - mean, 2) / (double)columns;
    for (size_t c = 0; c < columns; c++) {
      expect(y[r * columns + c], (x[r * columns + c] - mean) / sqrt(square + 1e-5) * w[c], 4);
    }
  }
  const rbn_pool_task pool = {x, 1, rows, 0, columns, columns, y};
  rbn_max_pool_portable(&pool);
  for (size_t c = 0; c < columns; c++) {
    double most = -INFINITY;
    for (size_t r = 0; r < rows; r++) most = fmax(most, x[r * columns + c]);
    expect(y[c], most, 1);
  }
  rbn_mean_pool_portable(&pool, (float)rows);
  for (size_t c = 0; c < columns; c++) expect(y[c], sums[c] / (double)rows, 1);
  free(x), free(y), free(w), free(sums);
}

int main(void) {
  // Pixels and channels on both sides of the tiles' sizes.
  for (size_t outputs = 1; outputs <= 16; outputs++) {
    for (size_t kernel = 1; kernel <= 3; kernel += 2) {
      for (size_t width = 4; width <= 9; width++) {
        const shape s = {5, outputs, 6, width, kernel, 1 + width % 2, kernel / 2, 1};
        check_conv(rbn_conv_6x16_portable, 6, 16, s);
        if (outputs <= 8) check_conv(rbn_conv_4x8_portable, 4, 8, s);
        if (outputs <= 4) check_conv(rbn_conv_8x4_portable, 8, 4, s);
      }
    }
  }
  report("convolution", 1e-6);
  for (size_t channels = 1; channels <= 19; channels++) {
    for (size_t stride = 1; stride <= 2; stride++) {
      for (size_t kernel = 3; kernel <= 5; kernel += 2) {
        check_depthwise((shape){channels, channels, 11, 17, kernel, stride, kernel / 2, 1}, 1, 0);
        check_depthwise((shape){channels, channels, 11, 17, kernel, stride, 0, 2}, 1, 0);
        check_depthwise((shape){channels, 2 * channels, 7, 8, kernel, stride, 1, 1}, 2, 0);
      }
    }
  }
  report("depthwise convolution", 1e-6);
  for (size_t groups = 1; groups <= 5; groups++) {
    check_depthwise((shape){4 * groups, 4 * groups, 9, 13, 3, 1, 1, 1}, 4, 1);
    check_depthwise((shape){4 * groups, 4 * groups, 9, 13, 3, 2, 1, 1}, 4, 1);
  }
  report("grouped convolution", 1e-6);
  for (size_t size = 3; size <= 13; size++) check_winograd(2, size, size + 1, 3 + size);
  report("winograd F(2x2, 3x3)", 1e-6);
  for (size_t size = 3; size <= 13; size++) check_winograd(4, size, size + 1, 3 + size);
  report("winograd F(4x4, 3x3)", 1e-5);
  for (size_t channels = 1; channels <= 13; channels++) check_elementwise(1 + 9 * channels, channels);
  report("affine, binary, transpose", 1e-6);
  for (size_t count = 1; count <= 70; count++) check_functions(count);
  report("functions", 1e-6);
  for (size_t columns = 1; columns <= 21; columns++) check_reductions(1 + 3 * columns, columns);
  report("reductions", 1e-6);
  return failures;
}
