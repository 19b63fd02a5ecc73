/* Windows. */
#include "os/os.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "base/base.h"

struct rp_os_file {
	HANDLE handle;
};

/* The path in UTF-16, to be freed; NULL when out of memory or not UTF-8. */
static wchar_t *wide(const char *path)
{
	int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
	wchar_t *w = n > 0 ? malloc((size_t)n * sizeof(*w)) : NULL;

	if (w)
		MultiByteToWideChar(CP_UTF8, 0, path, -1, w, n);
	return w;
}

enum rp_os_kind rp_os_kind(const char *path)
{
	wchar_t *w = wide(path);
	DWORD attributes = w ? GetFileAttributesW(w) : INVALID_FILE_ATTRIBUTES;

	free(w);
	if (attributes == INVALID_FILE_ATTRIBUTES)
		return RP_OS_MISSING;
	return attributes & FILE_ATTRIBUTE_DIRECTORY ? RP_OS_DIRECTORY : RP_OS_FILE;
}

static int open_with(struct rp_os_file **ret_file, const char *path, DWORD access, DWORD how)
{
	struct rp_os_file *file = malloc(sizeof(*file));
	wchar_t *w = wide(path);

	if (!file || !w) {
		free(file);
		free(w);
		return RP_ENOMEM;
	}
	file->handle = CreateFileW(w, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, how,
				   FILE_ATTRIBUTE_NORMAL, NULL);
	free(w);
	if (file->handle == INVALID_HANDLE_VALUE) {
		DWORD error = GetLastError();
		free(file);
		SetLastError(error);
		return error == ERROR_FILE_EXISTS || error == ERROR_ALREADY_EXISTS ? RP_EEXIST : RP_EOPEN;
	}
	*ret_file = file;
	return 0;
}

int rp_os_open(struct rp_os_file **ret_file, const char *path)
{
	return open_with(ret_file, path, GENERIC_READ, OPEN_EXISTING);
}

int rp_os_create(struct rp_os_file **ret_file, const char *path)
{
	return open_with(ret_file, path, GENERIC_WRITE, CREATE_NEW);
}

uint64_t rp_os_size(struct rp_os_file *file)
{
	LARGE_INTEGER size;

	return GetFileSizeEx(file->handle, &size) ? (uint64_t)size.QuadPart : 0;
}

uint64_t rp_os_changed_ns(struct rp_os_file *file)
{
	FILETIME t;

	return GetFileTime(file->handle, NULL, NULL, &t) ? ((uint64_t)t.dwHighDateTime << 32 | t.dwLowDateTime) * 100u : 0;
}

uint64_t rp_os_build_id(void)
{
	static const char here;
	wchar_t path[32768];
	HMODULE module;
	WIN32_FILE_ATTRIBUTE_DATA data;

	if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, (const wchar_t *)&here, &module) ||
	    !GetModuleFileNameW(module, path, sizeof(path) / sizeof(path[0])) || !GetFileAttributesExW(path, GetFileExInfoStandard, &data))
		return 0;
	return rp_hash_pair((uint64_t)data.nFileSizeHigh << 32 | data.nFileSizeLow,
			    (uint64_t)data.ftLastWriteTime.dwHighDateTime << 32 | data.ftLastWriteTime.dwLowDateTime) | 1;
}

int rp_os_is_locked(struct rp_os_file *file, uint32_t pid)
{
	(void)file, (void)pid;
	return 0;
}

int rp_os_read(struct rp_os_file *file, uint64_t offset, void *bytes, size_t len, size_t *ret_len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t at = offset + done;
		OVERLAPPED where = { .Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32) };
		DWORD want = len - done > (1u << 30) ? 1u << 30 : (DWORD)(len - done), n = 0;
		if (!ReadFile(file->handle, (char *)bytes + done, want, &n, &where)) {
			if (GetLastError() == ERROR_HANDLE_EOF)
				break;
			return RP_EIO;
		}
		if (n == 0)
			break;
		done += n;
	}
	*ret_len = done;
	return 0;
}

int rp_os_write(struct rp_os_file *file, uint64_t offset, const void *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t at = offset + done;
		OVERLAPPED where = { .Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32) };
		DWORD want = len - done > (1u << 30) ? 1u << 30 : (DWORD)(len - done), n = 0;
		if (!WriteFile(file->handle, (const char *)bytes + done, want, &n, &where))
			return GetLastError() == ERROR_DISK_FULL ? RP_ENOSPACE : RP_EIO;
		done += n;
	}
	return 0;
}

int rp_os_close(struct rp_os_file *file)
{
	if (!file)
		return 0;
	int ok = CloseHandle(file->handle);
	free(file);
	return ok ? 0 : RP_EIO;
}

int rp_os_remove(const char *path)
{
	wchar_t *w = wide(path);
	int ok = w && DeleteFileW(w);

	free(w);
	return ok ? 0 : RP_EIO;
}

/* What tells a file from others: its volume and its number there. */
int rp_os_make_directory(const char *path)
{
	wchar_t *w = wide(path);
	int made = w && CreateDirectoryW(w, NULL);

	free(w);
	return made || rp_os_kind(path) == RP_OS_DIRECTORY ? 0 : RP_EOPEN;
}

const char *rp_os_base_name(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/' || *path == '\\')
			name = path + 1;
	return name;
}

static int identify(const char *path, BY_HANDLE_FILE_INFORMATION *ret_info)
{
	struct rp_os_file *file;

	if (open_with(&file, path, 0, OPEN_EXISTING))
		return 0;
	int ok = GetFileInformationByHandle(file->handle, ret_info) != 0;
	rp_os_close(file);
	return ok;
}

int rp_os_is_same(const char *a, const char *b)
{
	BY_HANDLE_FILE_INFORMATION x, y;

	return identify(a, &x) && identify(b, &y) && x.dwVolumeSerialNumber == y.dwVolumeSerialNumber &&
	       x.nFileIndexHigh == y.nFileIndexHigh && x.nFileIndexLow == y.nFileIndexLow;
}

/* Links are rare here, and need a privilege: one is replaced itself. */
char *rp_os_resolve(const char *path)
{
	size_t bytes = strlen(path) + 1;
	char *copy = malloc(bytes);

	return copy ? memcpy(copy, path, bytes) : NULL;
}

int rp_os_replace(const char *from, const char *to)
{
	wchar_t *w = wide(from), *v = wide(to);
	int ok = w && v && MoveFileExW(w, v, MOVEFILE_REPLACE_EXISTING);

	free(w);
	free(v);
	return ok ? 0 : RP_EIO;
}

static char *entry_path(const char *directory, const wchar_t *name)
{
	size_t dir_len = strlen(directory);
	int n = WideCharToMultiByte(CP_UTF8, 0, name, -1, NULL, 0, NULL, NULL);
	char *path = n > 0 ? malloc(dir_len + (size_t)n + 1) : NULL;

	if (!path)
		return NULL;
	memcpy(path, directory, dir_len);
	if (dir_len && directory[dir_len - 1] != '/' && directory[dir_len - 1] != '\\')
		path[dir_len++] = '/';
	WideCharToMultiByte(CP_UTF8, 0, name, -1, path + dir_len, n, NULL, NULL);
	return path;
}

int rp_os_list(const char *directory, rp_os_list_fn *fn, void *user)
{
	char *pattern = entry_path(directory, L"*");
	wchar_t *w = pattern ? wide(pattern) : NULL;
	WIN32_FIND_DATAW found;
	HANDLE search = w ? FindFirstFileW(w, &found) : INVALID_HANDLE_VALUE;
	int rc = 0;

	free(pattern);
	free(w);
	if (search == INVALID_HANDLE_VALUE)
		return RP_EOPEN;
	do {
		if (!wcscmp(found.cFileName, L".") || !wcscmp(found.cFileName, L".."))
			continue;
		char *path = entry_path(directory, found.cFileName);
		rc = path ? fn(user, path) : RP_ENOMEM;
		free(path);
	} while (!rc && FindNextFileW(search, &found));
	FindClose(search);
	return rc;
}

uint64_t rp_os_monotonic_ns(void)
{
	LARGE_INTEGER count, rate;

	QueryPerformanceCounter(&count);
	QueryPerformanceFrequency(&rate);
	return (uint64_t)((double)count.QuadPart * 1e9 / (double)rate.QuadPart);
}

char rp_os_list_separator(void)
{
	return ';';
}

const char *rp_os_error_text(void)
{
	static _Thread_local char text[256];

	if (!FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, GetLastError(), 0, text,
			    sizeof(text), NULL))
		return "unknown system error";
	text[strcspn(text, "\r\n")] = 0;
	return text;
}

void rp_os_binary_stdout(void)
{
	_setmode(_fileno(stdout), _O_BINARY);
}

int rp_os_terminal_columns(void)
{
	CONSOLE_SCREEN_BUFFER_INFO info;

	if (!GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info))
		return 0;
	return info.srWindow.Right - info.srWindow.Left + 1;
}

int rp_os_in_copy(rp_os_copy_fn *fn, void *user, rp_os_take_fn *take, void *taker)
{
	(void)fn, (void)user, (void)take, (void)taker;
	return RP_EUNSUPPORTED;
}

void rp_os_in_large_pages(void *at, size_t bytes)
{
	(void)at, (void)bytes;
}

void rp_os_give_memory_back(void)
{
}
