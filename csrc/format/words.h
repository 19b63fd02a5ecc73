/* What traces say again and again: text that stands before a payload of definitions while it is compressed (RP_PART_ZSTD_WORDS), so that a short trace need not
 * hold it. It is part of the format: another text would be another coding. */
#ifndef RP_FORMAT_WORDS_H
#define RP_FORMAT_WORDS_H

#include "base/base.h"

#define RP_WORDS_BYTES_MAX 3072u

/* Writes the text to `ret_words`, RP_WORDS_BYTES_MAX bytes of the caller's. Returns its length. */
size_t rp_words_put(uint8_t *ret_words);

#endif
