#if defined(__x86_64__)

#include "../vector/avx2.h"
#include "epilogue.h"

#define RBN_TILE_PIXELS 6
#define RBN_TILE_VECTORS 2
#define RBN_TILE_FUNCTION rbn_conv_6x16_avx2
#define RBN_TILE_STATIC(name) name##_6x16
#include "body.h"

#define RBN_TILE_PIXELS 4
#define RBN_TILE_VECTORS 3
#define RBN_TILE_FUNCTION rbn_conv_4x24_avx2
#define RBN_TILE_STATIC(name) name##_4x24
#include "body.h"

#define RBN_TILE_PIXELS 8
#define RBN_TILE_VECTORS 1
#define RBN_TILE_FUNCTION rbn_conv_8x8_avx2
#define RBN_TILE_STATIC(name) name##_8x8
#include "body.h"

#pragma clang attribute pop

#endif
