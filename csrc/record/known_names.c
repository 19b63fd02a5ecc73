#define _GNU_SOURCE
#include "record/known_names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/symbol_table.h"

#define INDEX_BYTES_MAX (UINT32_C(64) << 20) /* 8 million code objects */
#define ID_BYTES_MAX 64
#define FILE_FORMAT "rubinprof symbols 1\nid %64[0-9a-f]" /* of the file that makes a directory a bundle */

static struct {
	char *directory; /* NULL: no bundle */
	char id[ID_BYTES_MAX + 1];
	uint8_t *index;
	struct rp_symbol_table codes;
} bundle;

static int read_all(int fd, void *to, size_t len, off_t at)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, (char *)to + done, len - done, at + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return RP_EIO;
		done += (size_t)n;
	}
	return 0;
}

/* The header of a sound file that is as long as it says; its descriptor. Negative: RP_… */
static int open_table(const char *path, enum rp_symbol_table_kind kind, struct rp_symbol_table *ret_table)
{
	uint8_t header[RP_SYMBOL_TABLE_HEADER_BYTES];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return RP_EOPEN;
	int rc = fstat(fd, &st) || !S_ISREG(st.st_mode) ? RP_EOPEN : read_all(fd, header, sizeof header, 0);
	if (!rc)
		rc = rp_symbol_table_header(header, ret_table);
	if (!rc && (ret_table->kind != kind || st.st_size != (off_t)ret_table->bytes))
		rc = RP_EDAMAGED;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

static int read_id(void)
{
	char path[PATH_MAX], text[256];
	if (snprintf(path, sizeof path, "%s/bundle", bundle.directory) >= (int)sizeof path)
		return RP_EOPEN;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return RP_EOPEN;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return sscanf(text, FILE_FORMAT, bundle.id) == 1 ? 0 : RP_EDAMAGED;
}

static int read_codes(void)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/code.rpsym", bundle.directory) >= (int)sizeof path)
		return RP_EOPEN;
	int fd = open_table(path, RP_SYMBOL_TABLE_CODE, &bundle.codes);
	if (fd < 0)
		return fd;
	int rc = bundle.codes.index_bytes > INDEX_BYTES_MAX ? RP_ELIMIT : 0;
	if (!rc && !(bundle.index = malloc(bundle.codes.index_bytes + 1)))
		rc = RP_ENOMEM;
	if (!rc)
		rc = read_all(fd, bundle.index, bundle.codes.index_bytes, RP_SYMBOL_TABLE_HEADER_BYTES);
	if (!rc)
		rc = rp_symbol_table_index(&bundle.codes, bundle.index);
	close(fd);
	return rc;
}

int rp_bundle_open(const char *directory)
{
	rp_bundle_close();
	if (!directory)
		return 0;
	bundle.directory = strdup(directory);
	int rc = bundle.directory ? read_id() : RP_ENOMEM;
	if (!rc)
		rc = read_codes();
	if (rc)
		rp_bundle_close();
	return rc;
}

void rp_bundle_close(void)
{
	free(bundle.directory);
	free(bundle.index);
	memset(&bundle, 0, sizeof bundle);
}

const char *rp_bundle_id(void)
{
	return bundle.directory ? bundle.id : NULL;
}

const char *rp_bundle_directory(void)
{
	return bundle.directory;
}

uint32_t rp_bundle_code(struct rp_str name, struct rp_str file, struct rp_str module, uint32_t first_line, uint32_t flags)
{
	if (!bundle.index || name.is_cut || file.is_cut || module.is_cut)
		return UINT32_MAX;
	return rp_symbol_table_code(&bundle.codes, rp_symbol_code_key(name, file, module, first_line, flags));
}

int rp_bundle_has_file(const char *path, uint32_t path_len)
{
	uint64_t bytes, mtime_ns;
	struct stat st;
	if (!bundle.index || rp_symbol_table_file(&bundle.codes, rp_symbol_file_key((struct rp_str){ path, path_len }), &bytes, &mtime_ns) == UINT32_MAX)
		return 0;
	return stat(path, &st) == 0 && (uint64_t)st.st_size == bytes &&
	       (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec == mtime_ns;
}

int rp_bundle_has_object(const uint8_t *build_id, uint32_t len)
{
	char path[PATH_MAX], name[RP_BUILD_ID_PATH_BYTES];
	struct rp_symbol_table t;
	if (!bundle.directory || !rp_build_id_path(name, build_id, len))
		return 0;
	int n = snprintf(path, sizeof path, "%s/native/%s.rpsym", bundle.directory, name);
	if (n < 0 || (size_t)n >= sizeof path)
		return 0;
	int fd = open_table(path, RP_SYMBOL_TABLE_OBJECT, &t);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
