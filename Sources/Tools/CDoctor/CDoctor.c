// So that the module has something to compile; all of it is in the header.
#include "CDoctor.h"
