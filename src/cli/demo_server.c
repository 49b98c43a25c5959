#include "demo_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool
complain(const char *what, const char *hint)
{
    fprintf(stderr, "walrow: %s\nhint: %s\n", what, hint);
    return false;
}

static bool
has_programs(const char *folder)
{
    char path[300];
    snprintf(path, sizeof path, "%s/initdb", folder);
    return access(path, X_OK) == 0;
}

/* PGBIN, else the newest of the places where Debian and others put servers, else beside whatever is in PATH.
 */
static bool
find_programs(demo_server *server)
{
    const char *asked = getenv("PGBIN");
    if (asked != NULL && has_programs(asked)) {
        snprintf(server->programs, sizeof server->programs, "%s", asked);
        return true;
    }
    glob_t places = {0};
    glob("/usr/lib/postgresql/[1-9][0-9]/bin", 0, NULL, &places);
    glob("/usr/pgsql-[1-9][0-9]/bin", GLOB_APPEND, NULL, &places);
    glob("/usr/bin", GLOB_APPEND, NULL, &places);
    bool found = false;
    for (size_t i = 0; i < places.gl_pathc; i++)
        if (has_programs(places.gl_pathv[i])) {
            snprintf(server->programs, sizeof server->programs, "%s", places.gl_pathv[i]);
            found = true;
        }
    globfree(&places);
    return found ||
           complain("no PostgreSQL server is installed here",
                    "install one (apt-get install postgresql-15), or say where its programs are with PGBIN");
}

/* PostgreSQL refuses to run as root: who it runs as instead, or NULL for who we are. */
static const struct passwd *
server_user(void)
{
    if (geteuid() != 0)
        return NULL;
    const struct passwd *user = getpwnam("postgres");
    return user != NULL ? user : getpwnam("nobody");
}

/* In the child: become the server's user, and die with the parent. */
static void
settle_child(int death_signal)
{
    const struct passwd *user = server_user();
    if (user != NULL && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(127);
    prctl(PR_SET_PDEATHSIG, death_signal);
    if (getppid() == 1)
        _exit(127);
}

typedef struct streams {
    int in, out; /* file descriptors for the child, -1: /dev/null */
} streams;

static pid_t
spawn(const demo_server *server, const char *program, const char *const *arguments, streams io,
      int death_signal)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", server->programs, program);
    pid_t pid = fork();
    if (pid != 0)
        return pid < 0 ? 0 : pid;
    setpgid(0, 0); /* Ctrl-C is for the demo; it ends its children itself */
    settle_child(death_signal);
    int null = open("/dev/null", O_RDWR);
    dup2(io.in >= 0 ? io.in : null, 0);
    dup2(io.out >= 0 ? io.out : null, 1);
    if (getenv("WALROW_DEMO_DEBUG") == NULL)
        dup2(null, 2);
    if (chdir(server->folder) != 0)
        _exit(127);
    execv(path, (char *const *)arguments);
    _exit(127);
}

static bool
succeeded(pid_t pid)
{
    int status;
    if (pid == 0)
        return false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
make_folder(demo_server *server)
{
    const char *parent = getenv("TMPDIR");
    snprintf(server->folder, sizeof server->folder, "%s/walrow-demo-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    if (mkdtemp(server->folder) == NULL) {
        server->folder[0] = '\0';
        return complain("cannot make a temporary folder", "name one that can be written with TMPDIR");
    }
    const struct passwd *user = server_user();
    if (chmod(server->folder, 0755) != 0 ||
        (user != NULL && chown(server->folder, user->pw_uid, user->pw_gid) != 0))
        return complain("cannot prepare the temporary folder", "name one that can be written with TMPDIR");
    snprintf(server->conninfo, sizeof server->conninfo, "host=%s port=5432 user=walrow dbname=postgres",
             server->folder);
    return true;
}

static bool
copy_file(const char *from, const char *to)
{
    char buffer[65536];
    size_t n;
    FILE *in = fopen(from, "rbe"), *out = in == NULL ? NULL : fopen(to, "wbe");
    bool ok = out != NULL;
    while (ok && (n = fread(buffer, 1, sizeof buffer, in)) > 0)
        ok = fwrite(buffer, 1, n, out) == n;
    if (out != NULL)
        ok = fclose(out) == 0 && ok && chmod(to, 0644) == 0;
    if (in != NULL)
        fclose(in);
    return ok;
}

/* The plugin of a build that runs in place lies beside the command; the server's user may not be able to read there.
 */
static bool
copy_plugin(const demo_server *server)
{
    char from[PATH_MAX + 32], to[300];
    ssize_t n = readlink("/proc/self/exe", from, PATH_MAX);
    char *slash = n <= 0 ? NULL : memrchr(from, '/', (size_t)n);
    if (slash == NULL)
        return false;
    strcpy(slash, "/wal2arrow.so");
    snprintf(to, sizeof to, "%s/wal2arrow.so", server->folder);
    return access(from, R_OK) == 0 && copy_file(from, to);
}

/* Newer minor releases want output plugins named that they may load; older ones do not start with the setting. */
static bool
wants_plugins_named(const demo_server *server, const char *data)
{
    const char *arguments[] = {"postgres", "-D", data, "-C", "output_plugin_libraries", NULL};
    return succeeded(spawn(server, "postgres", arguments, (streams){-1, -1}, SIGTERM));
}

static pid_t
start_postmaster(const demo_server *server)
{
    char data[300], sockets[300], libraries[300];
    snprintf(data, sizeof data, "%s/data", server->folder);
    snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", server->folder);
    snprintf(libraries, sizeof libraries, "dynamic_library_path=%s:$libdir", server->folder);
    const char *settings[] = {sockets,
                              libraries,
                              "listen_addresses=",
                              "port=5432",
                              "wal_level=logical",
                              "fsync=off",
                              "log_destination=stderr",
                              "logging_collector=off",
                              "output_plugin_libraries=pgoutput, wal2arrow"};
    size_t n_settings = sizeof settings / sizeof *settings - (wants_plugins_named(server, data) ? 0 : 1);
    const char *arguments[4 + 2 * sizeof settings / sizeof *settings] = {"postgres", "-D", data};
    for (size_t i = 0; i < n_settings; i++) {
        arguments[3 + 2 * i] = "-c";
        arguments[4 + 2 * i] = settings[i];
    }
    return spawn(server, "postgres", arguments, (streams){-1, -1}, SIGQUIT);
}

static bool
wait_for_server(const demo_server *server)
{
    for (int i = 0; i < 300; i++) {
        if (demo_server_sql(server, "SELECT 1", NULL, 0))
            return true;
        if (waitpid(server->pid, NULL, WNOHANG) != 0)
            return false;
        usleep(100000);
    }
    return false;
}

bool
demo_server_start(demo_server *server)
{
    memset(server, 0, sizeof *server);
    if (!find_programs(server) || !make_folder(server))
        return false;
    char data[300];
    snprintf(data, sizeof data, "%s/data", server->folder);
    const char *arguments[] = {"initdb", "-D", data,   "-U",         "walrow",    "-A",
                               "trust",  "-E", "UTF8", "--locale=C", "--no-sync", NULL};
    if (!succeeded(spawn(server, "initdb", arguments, (streams){-1, -1}, SIGTERM)))
        return complain("initdb failed", "run again with WALROW_DEMO_DEBUG=1 to see why");
    server->has_plugin = copy_plugin(server);
    server->pid = start_postmaster(server);
    if (server->pid == 0 || !wait_for_server(server))
        return complain("the server did not start", "run again with WALROW_DEMO_DEBUG=1 to see why");
    return true;
}

static int
remove_entry(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info;
    (void)flag;
    (void)where;
    return remove(path);
}

void
demo_server_stop(demo_server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGQUIT); /* at once: nothing in it is worth a checkpoint */
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
    if (server->folder[0] != '\0')
        nftw(server->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static pid_t
start_psql(const demo_server *server, streams io)
{
    char conninfo[512];
    snprintf(conninfo, sizeof conninfo, "%s", server->conninfo);
    const char *arguments[] = {"psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", conninfo, NULL};
    return spawn(server, "psql", arguments, io, SIGTERM);
}

/* The SQL in an unlinked file, read from its start. */
static int
script_of(const char *sql)
{
    FILE *file = tmpfile();
    if (file == NULL || fputs(sql, file) < 0 || fflush(file) != 0)
        return -1;
    rewind(file);
    int fd = dup(fileno(file));
    fclose(file);
    return fd;
}

pid_t
demo_server_sql_start(const demo_server *server, const char *sql)
{
    int script = script_of(sql);
    if (script < 0)
        return 0;
    pid_t pid = start_psql(server, (streams){script, -1});
    close(script);
    return pid;
}

bool
demo_server_sql(const demo_server *server, const char *sql, char *out, size_t size)
{
    int ends[2];
    if (out == NULL)
        return succeeded(demo_server_sql_start(server, sql));
    int script = script_of(sql);
    if (script < 0 || pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t pid = start_psql(server, (streams){script, ends[1]});
    close(script);
    close(ends[1]);
    size_t used = 0;
    ssize_t n;
    while (used + 1 < size && (n = read(ends[0], out + used, size - 1 - used)) > 0)
        used += (size_t)n;
    close(ends[0]);
    while (used > 0 && out[used - 1] == '\n')
        used--;
    out[used] = '\0';
    return succeeded(pid);
}
