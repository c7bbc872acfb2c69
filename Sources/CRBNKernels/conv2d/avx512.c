#if defined(__x86_64__)

#include "../vector/avx512.h"
#include "epilogue.h"

#define RBN_TILE_PIXELS 6
#define RBN_TILE_VECTORS 4
#define RBN_TILE_FUNCTION rbn_conv_6x64_avx512
#define RBN_TILE_STATIC(name) name##_6x64
#include "body.h"

#define RBN_TILE_PIXELS 8
#define RBN_TILE_VECTORS 3
#define RBN_TILE_FUNCTION rbn_conv_8x48_avx512
#define RBN_TILE_STATIC(name) name##_8x48
#include "body.h"

#define RBN_TILE_PIXELS 8
#define RBN_TILE_VECTORS 2
#define RBN_TILE_FUNCTION rbn_conv_8x32_avx512
#define RBN_TILE_STATIC(name) name##_8x32
#include "body.h"

#define RBN_TILE_PIXELS 8
#define RBN_TILE_VECTORS 1
#define RBN_TILE_FUNCTION rbn_conv_8x16_avx512
#define RBN_TILE_STATIC(name) name##_8x16
#include "body.h"

#pragma clang attribute pop

#endif
