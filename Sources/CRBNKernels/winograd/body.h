// Winograd convolution of 3 × 3 windows with stride 1: the transforms. The products in between are pointwise
// convolutions, one for each element of a tile.

#include "../conv2d/epilogue.h"
#include "transforms.h"

#define RBN_WINOGRAD_OUTPUTS 2
#include "tile.h"

#define RBN_WINOGRAD_OUTPUTS 4
#include "tile.h"

void RBN_NAME(rbn_winograd_input)(const rbn_winograd_input_task *t) {
  if (t->outputs == 2) {
    input_2(t);
  } else {
    input_4(t);
  }
}

void RBN_NAME(rbn_winograd_output)(const rbn_winograd_output_task *t) {
  if (t->outputs == 2) {
    output_2(t);
  } else {
    output_4(t);
  }
}
