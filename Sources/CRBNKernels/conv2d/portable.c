#include "../vector/portable.h"
#include "epilogue.h"

#define RBN_TILE_PIXELS 6
#define RBN_TILE_VECTORS 4
#define RBN_TILE_FUNCTION rbn_conv_6x16_portable
#define RBN_TILE_STATIC(name) name##_6x16
#include "body.h"

#define RBN_TILE_PIXELS 4
#define RBN_TILE_VECTORS 2
#define RBN_TILE_FUNCTION rbn_conv_4x8_portable
#define RBN_TILE_STATIC(name) name##_4x8
#include "body.h"

#define RBN_TILE_PIXELS 8
#define RBN_TILE_VECTORS 1
#define RBN_TILE_FUNCTION rbn_conv_8x4_portable
#define RBN_TILE_STATIC(name) name##_8x4
#include "body.h"
