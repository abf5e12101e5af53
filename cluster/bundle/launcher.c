// The programs in a bundle's bin/ (apportion, mpirun, orted and those that check a GPU) are all this one,
// under different names. It is linked statically, since the machine may have no suitable C library (nor a
// shell). It starts libexec/NAME through the bundle's own loader, with the bundle's libraries before all
// others, and tells Open MPI where its plug-ins are. LibTorch is the bundle's, or comes from the folder given
// by --torch SITE or APPORTION_TORCH (site-packages of a Python with torch), whose version must be exactly
// the one that the program was built with.
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static char prefix[PATH_MAX];          // the bundle's folder
static char libraries[64 * PATH_MAX];  // what the loader searches, joined by ':'

// Prints one line and exits, with the code of a user's mistake.
static void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("apportion: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(2);
}

static char* text_of(const char* format, ...) {
  char* text = NULL;
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&text, format, arguments) < 0) fail("no memory");
  va_end(arguments);
  return text;
}

static int is_there(const char* path) { return access(path, F_OK) == 0; }

static void set(const char* name, const char* format, const char* value) {
  if (setenv(name, text_of(format, value), 1) != 0) fail("no memory");
}

static void add_library_folder(const char* folder) {
  size_t used = strlen(libraries);
  if (used + strlen(folder) + 2 > sizeof(libraries)) fail("too many library folders, at %s", folder);
  sprintf(libraries + used, "%s%s", used > 0 ? ":" : "", folder);
}

// Writes the bundle's folder to `prefix`; returns this program's name.
static const char* find_prefix(void) {
  ssize_t length = readlink("/proc/self/exe", prefix, sizeof(prefix) - 1);
  if (length > 0) {
    prefix[length] = '\0';
  } else {  // without /proc: the name that the kernel started
    const char* started = (const char*)getauxval(AT_EXECFN);
    if (started == NULL || realpath(started, prefix) == NULL)
      fail("/proc is not mounted, and my place is not known");
  }
  char* name = strrchr(prefix, '/');
  *name = '\0';
  char* folder = strrchr(prefix, '/');
  if (folder == NULL || strcmp(folder, "/bin") != 0)
    fail("%s/%s is not in a bundle's bin/", prefix, name + 1);
  const char* program = text_of("%s", name + 1);
  *folder = '\0';
  if (strpbrk(prefix, ":;")) fail("the folder %s has a ':' or ';' in its name; move the bundle", prefix);
  return program;
}

// The text between quotes in the line of the file that begins with `key`, or without a key the file's first
// line; NULL if there is none.
static char* text_in(const char* path, const char* key) {
  static char line[4096];
  FILE* file = fopen(path, "r");
  if (file == NULL) return NULL;
  char* found = NULL;
  while (found == NULL && fgets(line, sizeof(line), file)) {
    line[strcspn(line, "\n")] = '\0';
    if (key == NULL) {
      found = line;
    } else if (strncmp(line, key, strlen(key)) == 0) {
      char* begin = strpbrk(line, "'\"");
      if (begin == NULL) continue;
      begin[1 + strcspn(begin + 1, "'\"")] = '\0';
      found = begin + 1;
    }
  }
  fclose(file);
  return found == NULL ? NULL : text_of("%s", found);
}

// Takes `--torch SITE` or `--torch=SITE` out of the arguments; returns SITE or NULL.
static const char* take_torch(int* count, char** arguments) {
  const char* site = NULL;
  int kept = 1;
  for (int i = 1; i < *count; ++i) {
    if (strcmp(arguments[i], "--torch") == 0) {
      if (++i == *count)
        fail("command line: '--torch' is missing its folder, the site-packages that hold torch/");
      site = arguments[i];
    } else if (strncmp(arguments[i], "--torch=", 8) == 0) {
      site = arguments[i] + 8;
    } else {
      arguments[kept++] = arguments[i];
    }
  }
  arguments[kept] = NULL;
  *count = kept;
  return site;
}

// The driver's library lies where the distribution puts it, which our loader does not know.
static void add_driver_folder(void) {
  const char* set_folders = getenv("LD_LIBRARY_PATH");
  const char* usual =
      "/usr/lib/x86_64-linux-gnu:/usr/lib64:/lib64:/usr/lib:/usr/local/nvidia/lib64:/usr/local/nvidia/lib:"
      "/usr/lib/wsl/lib:/run/opengl-driver/lib:/usr/local/cuda/compat";
  char* folders = text_of("%s:%s", set_folders == NULL ? "" : set_folders, usual);
  for (char* folder = strtok(folders, ":"); folder != NULL; folder = strtok(NULL, ":")) {
    if (!is_there(text_of("%s/libcuda.so.1", folder))) continue;
    add_library_folder(folder);
    return;
  }
}

static void add_torch(const char* site) {
  const char* built = text_in(text_of("%s/share/apportion/torch-version", prefix), NULL);
  if (built == NULL) fail("%s/share/apportion/torch-version is missing: unpack the bundle again", prefix);
  if (site == NULL || site[0] == '\0') {
    const char* own = text_of("%s/lib/torch", prefix);
    if (!is_there(own)) {
      fail(
          "this bundle has no LibTorch: give the folder that holds torch/ of version %s by --torch or "
          "APPORTION_TORCH",
          built);
    }
    add_library_folder(own);
    return;
  }
  const char* there = text_in(text_of("%s/torch/version.py", site), "__version__ =");
  if (there == NULL)
    fail("there is no torch/version.py in %s; --torch takes the folder that holds torch/", site);
  if (strcmp(there, built) != 0) {
    fail("the torch in %s is %s, this program was built with %s and takes no other", site, there, built);
  }
  if (strpbrk(site, ":;")) fail("the folder %s has a ':' or ';' in its name", site);
  add_library_folder(text_of("%s/torch/lib", site));
  const char* own_libraries = text_of("%s/torch.libs", site);
  if (is_there(own_libraries)) add_library_folder(own_libraries);
  DIR* vendor = opendir(text_of("%s/nvidia", site));
  for (struct dirent* entry = vendor == NULL ? NULL : readdir(vendor); entry != NULL;
       entry = readdir(vendor)) {
    const char* folder = text_of("%s/nvidia/%s/lib", site, entry->d_name);
    if (entry->d_name[0] != '.' && is_there(folder)) add_library_folder(folder);
  }
  add_driver_folder();
}

// Tells Open MPI, PMIx and hwloc where to look for plug-ins, texts and settings: mpirun, orted and every rank
// need it.
static void tell_mpi(void) {
  set("OPAL_PREFIX", "%s", prefix);
  set("OPAL_LIBDIR", "%s/lib", prefix);  // without libraries: ssh launches put it into LD_LIBRARY_PATH
  set("OPAL_PKGLIBDIR", "%s/lib/openmpi", prefix);
  set("OPAL_PKGDATADIR", "%s/share/openmpi", prefix);
  set("OPAL_SYSCONFDIR", "%s/etc", prefix);
  set("PMIX_INSTALL_PREFIX", "%s", prefix);
  set("PMIX_PREFIX", "%s", prefix);
  set("PMIX_LIBDIR", "%s/lib", prefix);
  set("PMIX_PKGLIBDIR", "%s/lib/pmix", prefix);
  set("PMIX_PKGDATADIR", "%s/share/pmix", prefix);
  set("PMIX_SYSCONFDIR", "%s/etc", prefix);
  set("HWLOC_PLUGINS_PATH", "%s/lib/hwloc", prefix);
  const char* path = getenv("PATH");
  set("PATH", "%s", text_of("%s/bin%s%s", prefix, path == NULL ? "" : ":", path == NULL ? "" : path));
}

static int is_in_path(const char* program) {
  const char* path = getenv("PATH");
  char* folders = text_of("%s", path == NULL ? "" : path);
  for (char* folder = strtok(folders, ":"); folder != NULL; folder = strtok(NULL, ":")) {
    if (access(text_of("%s/%s", folder, program), X_OK) == 0) return 1;
  }
  return 0;
}

// Without ssh mpirun would give up, even if all ranks are on this machine or Slurm's.
static void choose_launch(void) {
  if (getenv("OMPI_MCA_plm") != NULL || getenv("OMPI_MCA_plm_rsh_agent") != NULL) return;
  if (!is_in_path("ssh") && !is_in_path("rsh")) set("OMPI_MCA_plm", "%s", "^rsh");
}

// OpenSSL's settings and certificates: the machine's certificates if they are at a usual place, else the
// bundle's.
static void tell_openssl(void) {
  set("OPENSSL_CONF", "%s/etc/openssl.cnf", prefix);
  set("OPENSSL_MODULES", "%s/lib/openssl", prefix);
  if (getenv("SSL_CERT_FILE") != NULL) return;
  const char* usual[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                         "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
  for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); ++i) {
    if (access(usual[i], R_OK) != 0) continue;
    set("SSL_CERT_FILE", "%s", usual[i]);
    return;
  }
  set("SSL_CERT_FILE", "%s/etc/ca-certificates.crt", prefix);
}

int main(int count, char** arguments) {
  const char* program = find_prefix();
  const int is_ours = strcmp(program, "mpirun") != 0 && strcmp(program, "orted") != 0;
  add_library_folder(text_of("%s/lib/system", prefix));
  if (is_ours) {
    const char* site = take_torch(&count, arguments);
    add_torch(site != NULL ? site : getenv("APPORTION_TORCH"));
    tell_openssl();
  }
  tell_mpi();
  if (strcmp(program, "mpirun") == 0) choose_launch();
  unsetenv("LD_PRELOAD");  // these are made for the machine's own C library
  unsetenv("LD_AUDIT");

  const char* loader = text_of("%s/lib/system/ld-linux-x86-64.so.2", prefix);
  const char* before[] = {loader,
                          "--inhibit-cache",
                          "--library-path",
                          libraries,
                          "--preload",
                          "libapportion_user.so",  // by name: a list of paths would be split at blanks

                          "--argv0",
                          text_of("%s/bin/%s", prefix, program),
                          text_of("%s/libexec/%s", prefix, program)};
  const size_t own = sizeof(before) / sizeof(before[0]);
  char** all = calloc(own + (size_t)count + 1, sizeof(char*));
  if (all == NULL) fail("no memory");
  memcpy(all, before, sizeof(before));
  for (int i = 1; i < count; ++i) all[own + (size_t)i - 1] = arguments[i];
  execv(loader, all);
  fail("cannot start %s: %s", loader, strerror(errno));
}
