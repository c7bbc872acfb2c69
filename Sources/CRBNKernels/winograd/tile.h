// The two-dimensional transforms of F(m × m, 3 × 3), m = RBN_WINOGRAD_OUTPUTS; included once for each m.
// See rbn_winograd_input_task and rbn_winograd_output_task.

#define RBN_JOIN_(a, b) a##b
#define RBN_JOIN(a, b) RBN_JOIN_(a, b)
#define RBN_WINOGRAD_INPUTS (RBN_WINOGRAD_OUTPUTS + 2)
#define RBN_WINOGRAD_STATIC(name) RBN_JOIN(name##_, RBN_WINOGRAD_OUTPUTS)

// Bᵀ d B of `lanes` channels; x[i * inputs + j] points at the tile's pixel (i, j).
RBN_INLINE void RBN_WINOGRAD_STATIC(input_tile)(
    const float *const *x, size_t c, size_t lanes, float *output, size_t element_stride) {
  enum { N = RBN_WINOGRAD_INPUTS };
  vf rows[N * N];
  RBN_UNROLL for (size_t j = 0; j < N; j++) {
    vf d[N], v[N];
    RBN_UNROLL for (size_t i = 0; i < N; i++) d[i] = vload_up_to(x[i * N + j] + c, lanes);
    RBN_WINOGRAD_STATIC(winograd_input)(d, v);
    RBN_UNROLL for (size_t i = 0; i < N; i++) rows[i * N + j] = v[i];
  }
  RBN_UNROLL for (size_t i = 0; i < N; i++) {
    vf v[N];
    RBN_WINOGRAD_STATIC(winograd_input)(rows + i * N, v);
    RBN_UNROLL for (size_t j = 0; j < N; j++) {
      vstore_up_to(output + (i * N + j) * element_stride + c, v[j], lanes);
    }
  }
}

RBN_INLINE void RBN_WINOGRAD_STATIC(input)(const rbn_winograd_input_task *t) {
  enum { N = RBN_WINOGRAD_INPUTS };
  for (size_t tile = 0; tile < t->count; tile++) {
    // Unsigned: what lies above or left of the image wraps around and is not inside either.
    const size_t y = (t->first + tile) / t->tiles_x * RBN_WINOGRAD_OUTPUTS - t->padding_y;
    const size_t x = (t->first + tile) % t->tiles_x * RBN_WINOGRAD_OUTPUTS - t->padding_x;
    const float *pixels[N * N];
    for (size_t i = 0; i < N; i++) {
      for (size_t j = 0; j < N; j++) {
        pixels[i * N + j] = y + i < t->height && x + j < t->width
                                ? t->input + ((y + i) * t->width + x + j) * t->pixel_stride
                                : t->zeros;
      }
    }
    float *output = t->output + tile * t->tile_stride;
    size_t c = 0;
    for (; c + RBN_VECTOR_LENGTH <= t->channels; c += RBN_VECTOR_LENGTH) {
      RBN_WINOGRAD_STATIC(input_tile)(pixels, c, RBN_VECTOR_LENGTH, output, t->element_stride);
    }
    if (c < t->channels) RBN_WINOGRAD_STATIC(input_tile)(pixels, c, t->channels - c, output, t->element_stride);
  }
}

// Aᵀ m A of `lanes` channels, and the epilogue of the `height` × `width` outputs inside of the image.
RBN_INLINE void RBN_WINOGRAD_STATIC(output_tile)(
    const float *m, size_t element_stride, const rbn_winograd_output_task *t, size_t first_pixel, size_t height,
    size_t width, size_t sums_row, size_t c, size_t lanes) {
  enum { N = RBN_WINOGRAD_INPUTS, M = RBN_WINOGRAD_OUTPUTS };
  vf columns[M * N];
  RBN_UNROLL for (size_t j = 0; j < N; j++) {
    vf e[N], y[M];
    // Packed panels are padded to whole vectors.
    RBN_UNROLL for (size_t i = 0; i < N; i++) e[i] = vload(m + (i * N + j) * element_stride + c);
    RBN_WINOGRAD_STATIC(winograd_output)(e, y);
    RBN_UNROLL for (size_t i = 0; i < M; i++) columns[i * N + j] = y[i];
  }
  rbn_epilogue e = t->epilogue;
  epilogue_advance(&e, c);
  for (size_t i = 0; i < height; i++) {
    vf y[M];
    RBN_WINOGRAD_STATIC(winograd_output)(columns + i * N, y);
    const size_t pixel = first_pixel + i * t->width;
    float *output = t->output + pixel * t->output_stride + c;
    const size_t stride = t->output_stride;
    if (width == M) {
      finish_tile(M, 1, y, &e, pixel, sums_row, lanes, lanes == RBN_VECTOR_LENGTH, output, stride);
    } else {
      for (size_t p = 0; p < width; p++) {
        finish_tile(1, 1, y + p, &e, pixel + p, sums_row, lanes, 0, output + p * stride, stride);
      }
    }
  }
}

RBN_INLINE void RBN_WINOGRAD_STATIC(output)(const rbn_winograd_output_task *t) {
  enum { M = RBN_WINOGRAD_OUTPUTS };
  for (size_t tile = 0; tile < t->count; tile++) {
    const size_t y = (t->first + tile) / t->tiles_x * M, x = (t->first + tile) % t->tiles_x * M;
    const size_t height = t->height - y < M ? t->height - y : M, width = t->width - x < M ? t->width - x : M;
    const float *m = t->input + tile * t->tile_stride;
    const size_t pixel = y * t->width + x, sums_row = tile / RBN_WINOGRAD_SUMS_TILES;
    size_t c = 0;
    for (; c + RBN_VECTOR_LENGTH <= t->channels; c += RBN_VECTOR_LENGTH) {
      RBN_WINOGRAD_STATIC(output_tile)(m, t->element_stride, t, pixel, height, width, sums_row, c, RBN_VECTOR_LENGTH);
    }
    if (c < t->channels) {
      RBN_WINOGRAD_STATIC(output_tile)(m, t->element_stride, t, pixel, height, width, sums_row, c, t->channels - c);
    }
  }
}

#undef RBN_WINOGRAD_INPUTS
#undef RBN_WINOGRAD_OUTPUTS
#undef RBN_WINOGRAD_STATIC
#undef RBN_JOIN
#undef RBN_JOIN_
