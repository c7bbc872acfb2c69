#include "../vector/portable.h"
#include "body.h"
