#include "tests/unit/pg_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_BYTES 256

/* Debian keeps the server's programs out of PATH. The newest. */
static bool find_program(const char *name, char ret_path[PATH_BYTES])
{
	static const char *const folders[] = {"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
		"/usr/bin", "/usr/local/bin", "/usr/libexec/postgresql"};
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		char pattern[PATH_BYTES];
		glob_t found;
		(void)snprintf(pattern, sizeof pattern, "%s/%s", folders[i], name);
		bool any = glob(pattern, 0, NULL, &found) == 0;
		if (any) {
			(void)snprintf(
				ret_path, PATH_BYTES, "%s", found.gl_pathv[found.gl_pathc - 1]);
		}
		globfree(&found);
		if (any) {
			return true;
		}
	}
	return false;
}

/* It does not run as root. */
static const struct passwd *find_user(void)
{
	if (geteuid() != 0) {
		return getpwuid(geteuid());
	}
	const struct passwd *user = getpwnam("postgres");
	return user ? user : getpwnam("nobody");
}

bool pg_server_can(void)
{
	char path[PATH_BYTES];
	return find_program("initdb", path) && find_program("postgres", path) && find_user();
}

static void become_user(void)
{
	const struct passwd *user = find_user();
	if (geteuid() == 0 &&
		(setgroups(0, NULL) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)) {
		_exit(126);
	}
}

/* One of its programs, what it says in a file beside. It ends when the test does. */
static pid_t spawn(const struct pg_server *server, const char *const words[])
{
	char path[PATH_BYTES];
	char log[PATH_BYTES];
	assert_true(find_program(words[0], path));
	(void)snprintf(log, sizeof log, "%s/log", server->folder);
	pid_t parent = getpid();
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		return pid;
	}
	become_user();
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || prctl(PR_SET_PDEATHSIG, SIGQUIT) < 0 ||
		getppid() != parent || chdir(server->folder) < 0) {
		_exit(125);
	}
	(void)close(fd);
	char *argv[32] = {NULL};
	for (size_t i = 0; words[i]; i++) {
		argv[i] = strdup(words[i]);
	}
	(void)execv(path, argv);
	_exit(127);
}

static void run_to_end(const struct pg_server *server, const char *const words[])
{
	int status = 0;
	pid_t pid = spawn(server, words);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		fail_msg("%s: status %d, see %s/log", words[0], status, server->folder);
	}
}

static int free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static PGconn *connect_to(const struct pg_server *server, const char *database)
{
	char where[PATH_BYTES];
	(void)snprintf(where, sizeof where,
		"host=%s port=%d user=telltale dbname=%s application_name=test", server->folder,
		server->port, database);
	return PQconnectdb(where);
}

static void wait_until_ready(const struct pg_server *server)
{
	for (time_t end = time(NULL) + PG_SERVER_MOST_S;;) {
		PGconn *pg = connect_to(server, "postgres");
		bool ready = PQstatus(pg) == CONNECTION_OK;
		PQfinish(pg);
		if (ready) {
			return;
		}
		if (time(NULL) > end || waitpid(server->pid, NULL, WNOHANG) != 0) {
			fail_msg("it does not start, see %s/log", server->folder);
		}
		(void)usleep(10000);
	}
}

void pg_server_run(struct pg_server *server)
{
	char port[16];
	char folder[PATH_BYTES];
	(void)snprintf(port, sizeof port, "port=%d", server->port);
	(void)snprintf(folder, sizeof folder, "unix_socket_directories=%s", server->folder);
	const char *const words[] = {"postgres", "-D", "data", "-c", port, "-c", folder, "-c",
		"listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off", "-c",
		"max_connections=100", "-c", "shared_buffers=64MB", "-c", "max_wal_senders=4",
		NULL};
	server->pid = spawn(server, words);
	wait_until_ready(server);
}

void pg_server_stop(struct pg_server *server, bool in_order)
{
	if (server->pid == 0) {
		return;
	}
	(void)kill(server->pid, in_order ? SIGINT : SIGQUIT);
	(void)waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

/* Its processes have sessions of their own, so the group does not reach them. */
void pg_server_freeze(struct pg_server *server, bool still)
{
	DIR *dir = opendir("/proc");
	assert_non_null(dir);
	(void)kill(server->pid, still ? SIGSTOP : SIGCONT);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		char path[PATH_BYTES + 16];
		long parent = 0;
		(void)snprintf(path, sizeof path, "/proc/%.200s/stat", entry->d_name);
		FILE *file = fopen(path, "re");
		if (file && fscanf(file, "%*d (%*[^)]) %*c %ld", &parent) == 1 &&
			parent == server->pid) {
			(void)kill(
				(pid_t)strtol(entry->d_name, NULL, 10), still ? SIGSTOP : SIGCONT);
		}
		if (file) {
			(void)fclose(file);
		}
	}
	(void)closedir(dir);
}

const char *pg_server_sql(struct pg_server *server, const char *database, const char *sql)
{
	static char value[PATH_BYTES];
	PGconn *pg = connect_to(server, database);
	PGresult *result = PQexec(pg, sql);
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		fail_msg("%s: %s", sql, PQerrorMessage(pg));
	}
	(void)snprintf(
		value, sizeof value, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	PQfinish(pg);
	return value;
}

void pg_server_database(struct pg_server *server, char ret_url[128])
{
	static unsigned count;
	char sql[64];
	(void)snprintf(sql, sizeof sql, "CREATE DATABASE t%u TEMPLATE template0", ++count);
	(void)pg_server_sql(server, "postgres", sql);
	(void)snprintf(ret_url, 128, "postgresql://telltale@/t%u?host=%s&port=%d", count,
		server->folder, server->port);
}

void pg_server_start(struct pg_server *server, const struct pg_server *standby_of)
{
	*server = (struct pg_server){0};
	(void)snprintf(server->folder, sizeof server->folder, "%s/telltale-pg-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(server->folder));
	if (geteuid() == 0) {
		const struct passwd *user = find_user();
		assert_int_equal(chown(server->folder, user->pw_uid, user->pw_gid), 0);
	}
	server->port = free_port();
	if (standby_of) {
		char port[16];
		(void)snprintf(port, sizeof port, "%d", standby_of->port);
		const char *const words[] = {"pg_basebackup", "-D", "data", "-R", "-h",
			standby_of->folder, "-p", port, "-U", "telltale", "-c", "fast", "-X",
			"stream", NULL};
		run_to_end(server, words);
	} else {
		static const char *const words[] = {"initdb", "-D", "data", "-U", "telltale", "-A",
			"trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", NULL};
		run_to_end(server, words);
	}
	pg_server_run(server);
}

void pg_server_end(struct pg_server *server)
{
	char command[PATH_BYTES];
	pg_server_stop(server, false);
	(void)snprintf(command, sizeof command, "rm -rf %s", server->folder);
	if (server->folder[0] && system(command) != 0) {
		print_error("%s is left\n", server->folder);
	}
	*server = (struct pg_server){0};
}

static struct pg_server shared;
static pid_t owner;

static void end_shared(void)
{
	if (getpid() == owner) {
		pg_server_end(&shared);
	}
}

struct pg_server *pg_server_shared(void)
{
	if (!shared.folder[0]) { /* one that is stopped is there, too */
		owner = getpid();
		pg_server_start(&shared, NULL);
		(void)atexit(end_shared);
	}
	return &shared;
}
