#include "rbn_kernels.h"
