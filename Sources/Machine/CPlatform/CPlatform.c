// A header-only target needs one source file.
#include "CPlatform.h"

void *cplatform_last_words(void) {
  static _Alignas(64) char words[1024];
  return words;
}
