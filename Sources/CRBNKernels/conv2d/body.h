// An implicit-GEMM micro-kernel: RBN_TILE_PIXELS pixels × RBN_TILE_VECTORS vectors of output channels, accumulated in
// registers over all taps and input channels. Defines RBN_TILE_FUNCTION; included once per tile.

#define RBN_TILE_CHANNELS (RBN_TILE_VECTORS * RBN_VECTOR_LENGTH)

// acc[p][j] = Σ over taps, over input channels k: rows[tap][p][k] · weights[tap][k][j]; one fused multiply-add each.
RBN_INLINE void RBN_TILE_STATIC(accumulate)(
    size_t pixels, vf *acc, const float *const *rows, size_t offset, size_t taps, size_t depth,
    const float *weights) {
  RBN_UNROLL for (size_t i = 0; i < pixels * RBN_TILE_VECTORS; i++) acc[i] = vsplat(0);
  for (size_t tap = 0; tap < taps; tap++) {
    const float *x[RBN_TILE_PIXELS];
    RBN_UNROLL for (size_t p = 0; p < pixels; p++) x[p] = rows[tap * RBN_TILE_PIXELS + p] + offset;
    for (size_t k = 0; k < depth; k++) {
      vf w[RBN_TILE_VECTORS];
      RBN_UNROLL for (size_t j = 0; j < RBN_TILE_VECTORS; j++) w[j] = vload(weights + j * RBN_VECTOR_LENGTH);
      RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
        const vf value = vsplat(x[p][k]);
        RBN_UNROLL for (size_t j = 0; j < RBN_TILE_VECTORS; j++) {
          acc[p * RBN_TILE_VECTORS + j] = vfma(value, w[j], acc[p * RBN_TILE_VECTORS + j]);
        }
      }
      weights += RBN_TILE_CHANNELS;
    }
  }
}

RBN_INLINE void RBN_TILE_STATIC(tile)(
    size_t pixels, const rbn_conv_task *task, const float *const *rows, size_t first_pixel) {
  vf acc[RBN_TILE_PIXELS * RBN_TILE_VECTORS];
  RBN_TILE_STATIC(accumulate)(pixels, acc, rows, task->channel_offset, task->taps, task->depth, task->weights);
  float *output = task->output + first_pixel * task->output_stride;
  const size_t sums_row = first_pixel / RBN_SUMS_BLOCK;
  if (task->channels >= RBN_TILE_CHANNELS) {
    finish_tile(
        pixels, RBN_TILE_VECTORS, acc, &task->epilogue, first_pixel, sums_row, RBN_TILE_CHANNELS, 1, output,
        task->output_stride);
  } else {
    finish_tile(
        pixels, RBN_TILE_VECTORS, acc, &task->epilogue, first_pixel, sums_row, task->channels, 0, output,
        task->output_stride);
  }
}

void RBN_TILE_FUNCTION(const rbn_conv_task *task) {
  const float *dense[RBN_TILE_PIXELS];
  for (size_t first = 0; first < task->pixels; first += RBN_TILE_PIXELS) {
    const size_t left = task->pixels - first < RBN_TILE_PIXELS ? task->pixels - first : RBN_TILE_PIXELS;
    const float *const *rows = dense;
    if (task->rows) {
      rows = task->rows + first * task->taps;
    } else {
      for (size_t p = 0; p < left; p++) dense[p] = task->input + (first + p) * task->input_stride;
    }
    if (left == RBN_TILE_PIXELS) {
      RBN_TILE_STATIC(tile)(RBN_TILE_PIXELS, task, rows, first);
      continue;
    }
    size_t p = 0;
    if (left & 4) {
      RBN_TILE_STATIC(tile)(4, task, rows, first);
      p = 4;
    }
    if (left & 2) {
      RBN_TILE_STATIC(tile)(2, task, rows + p, first + p);
      p += 2;
    }
    if (left & 1) RBN_TILE_STATIC(tile)(1, task, rows + p, first + p);
  }
}

#undef RBN_TILE_CHANNELS
#undef RBN_TILE_PIXELS
#undef RBN_TILE_VECTORS
#undef RBN_TILE_FUNCTION
#undef RBN_TILE_STATIC
