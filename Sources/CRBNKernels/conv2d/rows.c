#include "rbn_kernels.h"

void rbn_gather_rows(const rbn_window *w, size_t first, size_t count, size_t tile_pixels, const float **rows) {
  const size_t taps = w->kernel_height * w->kernel_width;
  size_t x = first % w->output_width;
  size_t y = first / w->output_width % w->output_height;
  const float *image =
      w->input + first / w->output_width / w->output_height * w->height * w->width * w->channels;
  for (size_t p = 0; p < count; p++) {
    const float **out = rows + p / tile_pixels * taps * tile_pixels + p % tile_pixels;
    for (size_t i = 0; i < w->kernel_height; i++) {
      // Unsigned: a row above the image wraps around and is not below the height either.
      const size_t iy = y * w->stride_y + i * w->dilation_y - w->padding_y;
      for (size_t j = 0; j < w->kernel_width; j++) {
        const size_t ix = x * w->stride_x + j * w->dilation_x - w->padding_x;
        *out = iy < w->height && ix < w->width ? image + (iy * w->width + ix) * w->channels : w->padding;
        out += tile_pixels;
      }
    }
    if (++x == w->output_width) {
      x = 0;
      if (++y == w->output_height) {
        y = 0;
        image += w->height * w->width * w->channels;
      }
    }
  }
}
