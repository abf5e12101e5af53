/* A system as some users have it, for tests that run the program. When this is preloaded (LD_PRELOAD), calls fail with the
   error number that an environment variable gives, and processor time is limited.
   LINK_ERROR: link. FOLDER_FSYNC_ERROR: fsync of a folder. CPU_MAX: "QUOTA PERIOD" of every control group. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failing(const char *variable) {
  const char *error = getenv(variable);
  if (error == NULL) return 0;
  errno = atoi(error);
  return 1;
}

int link(const char *from, const char *to) {
  if (failing("LINK_ERROR")) return -1;
  int (*system_call)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
  return system_call(from, to);
}

int fsync(int descriptor) {
  struct stat status;
  int folder = fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
  if (folder && failing("FOLDER_FSYNC_ERROR")) return -1;
  int (*system_call)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return system_call(descriptor);
}

static int ends_with(const char *path, const char *name) {
  size_t length = strlen(path), end = strlen(name);
  return length >= end && strcmp(path + length - end, name) == 0;
}

/* C++ streams open files with fopen and then read the descriptor, which an in-memory file would not have. */
static FILE *file_with(const char *text) {
  FILE *file = tmpfile();
  if (file != NULL) {
    fputs(text, file);
    rewind(file);
  }
  return file;
}

FILE *fopen64(const char *path, const char *mode) {
  const char *quota = getenv("CPU_MAX");
  if (quota != NULL && (ends_with(path, "/cpu.max") || ends_with(path, "/cpu.cfs_quota_us")))
    return file_with(quota);
  FILE *(*library)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen64");
  return library(path, mode);
}
