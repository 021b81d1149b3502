#include "merino.h"
