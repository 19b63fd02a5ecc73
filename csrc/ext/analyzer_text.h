/* What the analyzer writes in one piece, as a string of Python. GIL held. */
#ifndef RP_EXT_ANALYZER_TEXT_H
#define RP_EXT_ANALYZER_TEXT_H

#include "rubinprof/rp_report.h"

PyObject *rp_ext_csv_cell(PyObject *module, PyObject *word);
/* JSON that the analyzer writes of itself, as a name of the module. -1: an exception is set. */
int rp_ext_add_constant(PyObject *module, const char *name, int (*put)(rp_write_fn *write, void *user));

#endif
