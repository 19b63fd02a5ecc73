/* Who a function is, wherever it was recorded. Private to aggregate/.
 *
 *   key          the same on every host, below every prefix and at every reading; another one for another build: of a Python function by the
 *                file within its package, the qualified name, the first line and the table of its lines; of a native one by the build id of
 *                its library, the name and the source file.
 *   release key  the same from release to release: the qualified name and the file within its package, of a library without the parts of its
 *                name that builds add.
 *
 * Keys are kept in stores of campaigns: whoever changes what goes into them, or rp_hash_bytes, raises the version of the store. Two of a
 * million functions share one by chance once in 40 million campaigns.
 *
 * A name that no code has, such as "[events lost]", is its own key, and is left to whoever asks.
 *
 * Each fills key, release_key, package_file and build of a frame whose name, file, module and line are there. RP_ENOMEM, or 0. */
#ifndef RP_AGGREGATE_FRAME_KEY_H
#define RP_AGGREGATE_FRAME_KEY_H

#include "aggregate/aggregate.h"

int rp_frame_key_python(struct rp_strpool *strings, const struct rp_code *code, struct rp_frame *frame);
/* module: NULL where no library has the address. */
int rp_frame_key_native(struct rp_strpool *strings, const struct rp_module *module, struct rp_frame *frame);

/* The part of a path that no installation changes: within its package, else the last part. In `path`. */
const char *rp_package_path(const char *path, const char *module);
/* Of a library's path the same, without a wheel's hash and the tag of the interpreter. Returns the length. */
size_t rp_library_path(const char *path, char *ret_text, size_t cap);

#endif
