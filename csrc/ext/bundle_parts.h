/* What the maker of symbol bundles (python/rubinprof/symbols) needs of capture: functions of an object, keys, checksums. GIL held; while nothing is traced. */
#ifndef RP_EXT_BUNDLE_PARTS_H
#define RP_EXT_BUNDLE_PARTS_H

/* path -> (build id, [(start, name or None), ...]), ascending, names as bytes; None for what is no object with a build id. */
PyObject *rp_ext_object_functions(PyObject *module, PyObject *path);
/* (name, file, module, first line, flags) -> key; strings as bytes. */
PyObject *rp_ext_code_key(PyObject *module, PyObject *args);
PyObject *rp_ext_file_key(PyObject *module, PyObject *path);
PyObject *rp_ext_crc32c(PyObject *module, PyObject *bytes);

#endif
