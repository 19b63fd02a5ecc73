/* Names of Rust's linker symbols as people write them: those of the v0 scheme (RFC 2603, "_R...") and of the one before ("_ZN...17h<hash>E"). Hashes and
 * the numbers of crates are left out. Any bytes may come in. No allocation; no thread rules. */
#ifndef RP_NAMES_RUST_NAME_H
#define RP_NAMES_RUST_NAME_H

#include <stddef.h>

/* Longer ones are cut. */
#define RP_RUST_NAME_BYTES_MAX 4096

/* Into ret_text (RP_RUST_NAME_BYTES_MAX), not 0-terminated. Its length, 0 when the name is not Rust's or not well formed. */
size_t rp_rust_name(const char *name, char *ret_text);

#endif
