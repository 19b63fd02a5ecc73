#include "rubinprof/rp_error.h"

const char *rp_error_text(int code)
{
	switch (code) {
	case RP_OK:
		return "no error";
#define X(name, value, text) \
	case name:           \
		return text;
		RP_ERROR_LIST(X)
#undef X
	}
	return "unknown error";
}
