/* The one error enum of rubinprof, shared by capture and analysis.
 *
 * Functions return 0 or a negative code from this list. The text of a code is one clause that fits after
 * "cannot read FILE: "; the caller adds what and where. */
#ifndef RUBINPROF_RP_ERROR_H
#define RUBINPROF_RP_ERROR_H

#define RP_ERROR_LIST(X)                                                             \
	X(RP_ENOMEM, -1, "out of memory")                                             \
	X(RP_EIO, -2, "reading or writing failed")                                   \
	X(RP_EOPEN, -3, "the file cannot be opened")                                  \
	X(RP_EEXIST, -4, "the file exists already")                                   \
	X(RP_ENOTTRACE, -5, "this is not a rubinprof trace")                          \
	X(RP_EEMPTY, -6, "the file is empty")                                         \
	X(RP_EVERSION, -7, "the trace was written by a newer rubinprof; upgrade to read it") \
	X(RP_EDAMAGED, -8, "the trace is damaged; try 'rubinprof recover'")           \
	X(RP_ETRUNCATED, -9, "the trace ends in the middle of a block")               \
	X(RP_ELIMIT, -10, "a size in the file exceeds the limit of the format")       \
	X(RP_EBUSY, -11, "tracing is active already")                                 \
	X(RP_EINACTIVE, -12, "tracing is not active")                                 \
	X(RP_EUNSUPPORTED, -13, "this is not supported on this system")               \
	X(RP_EFOREIGN, -14, "another tool has installed a frame evaluator already")   \
	X(RP_EINVAL, -15, "an argument is out of range")                              \
	X(RP_ENOSPACE, -16, "no space is left on the device")                         \
	X(RP_ENOTFOUND, -17, "nothing of that name is in the trace")           \
	X(RP_EINTERRUPTED, -18, "stopped on request")                                \
	X(RP_ENOBUNDLE, -19, "its names are in a symbol bundle that is not here: name the bundle's directory with --symbols or RUBINPROF_SYMBOLS") \
	X(RP_EBADBUNDLE, -20, "the symbol bundle that has its names is damaged: make it anew with 'rubinprof symbols build'")

enum rp_error {
	RP_OK = 0,
#define X(name, value, text) name = value,
	RP_ERROR_LIST(X)
#undef X
};

/* The text of a code, static storage; "unknown error" for a code not in the list. */
const char *rp_error_text(int code);

#endif
