/*
 * What PostgreSQL's back end does when servers, or daemons, stand still, go away, can't be written or
 * hand over; and who listens.
 */
#include "tests/unit/postgres_help.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/postgres_listen.h"

/* --- servers that go away -------------------------------------------------------------------- */

static void test_server_that_stands_still(void **state)
{
	struct fixture *f = *state;
	struct pg_server *server = pg_server_shared();
	uint64_t revision = 0;
	assert_int_equal(change(f->store, "a", ""), 0);
	begin(f);
	assert_int_equal(put_on(f->store, "b", ""), 0);
	pg_server_freeze(server, true);
	ASSERT_WITHIN(DEADLINE_MS, put_on(f->store, "c", ""), E_AWAY);
	ASSERT_WITHIN(AT_ONCE_MS, put_on(f->store, "d", ""), E_AWAY);
	ASSERT_WITHIN(AT_ONCE_MS, f->store->ops->commit(f->store, &f->diag), E_AWAY);
	ASSERT_WITHIN(AT_ONCE_MS,
		f->store->ops->revision_get(f->store, STR(""), &revision, &f->diag), E_AWAY);
	ASSERT_WITHIN(AT_ONCE_MS, f->store->ops->begin(f->store, &f->diag), E_AWAY);
	assert_non_null(strstr(f->diag.text, "has gone"));
	ASSERT_WITHIN(DEADLINE_MS, open_refused(f, f->url), E_AWAY);
	assert_non_null(strstr(f->diag.text, "does not answer"));
	pg_server_freeze(server, false);
	assert_comes_back(f);
	assert_names(f, "a back ");
}

/* Nobody knows, says E_AWAY; here it was committed. */
static void test_still_at_commit(void **state)
{
	struct fixture *f = *state;
	begin(f);
	assert_int_equal(put_on(f->store, "a", ""), 0);
	pg_server_freeze(pg_server_shared(), true);
	ASSERT_WITHIN(DEADLINE_MS, f->store->ops->commit(f->store, &f->diag), E_AWAY);
	pg_server_freeze(pg_server_shared(), false);
	assert_comes_back(f);
	assert_names(f, "a back ");
}

static void test_cut_before_commit(void **state)
{
	struct fixture *f = *state;
	begin(f);
	assert_int_equal(put_on(f->store, "a", ""), 0);
	(void)sql(f, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
		     " WHERE application_name = 'telltale'");
	ASSERT_WITHIN(AT_ONCE_MS, f->store->ops->commit(f->store, &f->diag), E_AWAY);
	assert_int_equal(change(f->store, "b", ""), E_AWAY);
	reopen(f); /* at once */
	assert_int_equal(change(f->store, "b", ""), 0);
	assert_names(f, "b ");
}

static void test_server_that_is_restarted(void **state)
{
	struct fixture *f = *state;
	struct pg_server *server = pg_server_shared();
	assert_int_equal(change(f->store, "a", ""), 0);
	begin(f);
	assert_int_equal(put_on(f->store, "b", ""), 0);
	pg_server_stop(server, false);
	ASSERT_WITHIN(AT_ONCE_MS, put_on(f->store, "c", ""), E_AWAY);
	f->store->ops->rollback(f->store);
	ASSERT_WITHIN(AT_ONCE_MS, f->store->ops->begin(f->store, &f->diag), E_AWAY);
	pg_server_run(server);
	assert_comes_back(f);
	assert_names(f, "a back ");
	pg_server_stop(server, true);
	pg_server_run(server);
	assert_comes_back(f); /* it was restarted between two calls */
	assert_names(f, "a back ");
}

/* Its transaction ends before others give up; when it wakes, it hears so. */
static void test_daemon_that_stands_still(void **state)
{
	struct fixture *f = *state;
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct store *store = NULL;
		CHECK(store_open(str_of(f->url), &store, NULL) == 0);
		CHECK(store->ops->begin(store, NULL) == 0);
		CHECK(put_on(store, "a", "x") == 0);
		CHECK(write(ready[1], "", 1) == 1);
		CHECK(raise(SIGSTOP) == 0);
		CHECK(store->ops->commit(store, NULL) == E_AWAY);
		CHECK(change(store, "c", "x") == E_AWAY);
		store_free(store);
		CHECK(store_open(str_of(f->url), &store, NULL) == 0);
		CHECK(change(store, "c", "x") == 0);
		_exit(0);
	}
	char byte;
	int status = -1;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	ASSERT_WITHIN(DEADLINE_MS, change(f->store, "b", "x"), E_BUSY);
	ASSERT_WITHIN(AT_ONCE_MS, change(f->store, "b", "y"), 0); /* others don't wait */
	int64_t end_ms = postgres_now_ms() + 8000;
	while (change(f->store, "b", "x") == E_BUSY) {
		assert_true(postgres_now_ms() < end_ms);
	}
	(void)kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
	assert_names(f, "b c ");
}

/* --- servers that can't be written ----------------------------------------------------------- */

static void test_read_only(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(change(f->store, "a", ""), 0);
	(void)sql(f, "ALTER SYSTEM SET default_transaction_read_only = on");
	(void)sql(f, "SELECT pg_reload_conf()");
	int rc;
	int64_t end_ms = postgres_now_ms() + 5000;
	while ((rc = change(f->store, "b", "")) == 0 && postgres_now_ms() < end_ms) {
	}
	assert_int_equal(rc, E_AWAY);
	assert_int_equal(f->store->ops->begin(f->store, &f->diag), E_AWAY);
	assert_int_equal(open_refused(f, f->url), E_READONLY);
	assert_non_null(strstr(f->diag.text, "can't be written"));
	(void)pg_server_sql(
		pg_server_shared(), "postgres", "ALTER SYSTEM RESET default_transaction_read_only");
	(void)sql(f, "SELECT pg_reload_conf()");
	assert_comes_back(f);
}

/* A primary that goes, a standby that takes over; both are in the URL, the standby first. */
static void test_failover(void **state)
{
	struct fixture *f = *state;
	struct pg_server primary;
	struct pg_server standby;
	struct diag diag;
	struct store *store = NULL;
	char url[256];
	char name[32];
	char own[128];
	pg_server_start(&primary, NULL);
	pg_server_database(&primary, own);
	(void)sscanf(own, "postgresql://telltale@/%31[^?]", name);
	pg_server_start(&standby, &primary);
	(void)snprintf(
		url, sizeof url, "postgresql://telltale@127.0.0.1:%d/%s", standby.port, name);
	assert_int_equal(open_refused(f, url), E_READONLY);
	(void)snprintf(url, sizeof url, "postgresql://telltale@127.0.0.1:%d,127.0.0.1:%d/%s",
		standby.port, primary.port, name);
	assert_int_equal(store_open(str_of(url), &store, &diag), 0);
	assert_int_equal(change(store, "a", ""), 0);
	/* One that stands still costs its share, not all of the time. */
	pg_server_freeze(&standby, true);
	struct store *second = NULL;
	ASSERT_WITHIN(DEADLINE_MS, store_open(str_of(url), &second, &diag), 0);
	store_free(second);
	pg_server_freeze(&standby, false);
	int64_t end_ms = postgres_now_ms() + (int64_t)BACK_MOST_S * 1000;
	while (strcmp(pg_server_sql(&standby, name,
			      "SELECT count(*) FROM pg_class WHERE relname = 'instance'"),
		       "1") != 0 ||
		strcmp(pg_server_sql(&standby, name, "SELECT count(*) FROM instance"), "1") != 0) {
		assert_true(postgres_now_ms() < end_ms);
	}
	pg_server_stop(&primary, false);
	(void)pg_server_sql(&standby, "postgres", "SELECT pg_promote()");
	while (store->ops->begin(store, NULL) == 0) { /* until its end has come */
		store->ops->rollback(store);
	}
	come_back(url, &store);
	assert_int_equal(change(store, "b", ""), 0);
	assert_string_equal(pg_server_sql(&standby, name, "SELECT count(*) FROM instance"), "2");
	store_free(store);
	pg_server_end(&standby);
	pg_server_end(&primary);
}

/* --- who listens ----------------------------------------------------------------------------- */

static unsigned told(struct fixture *f, struct postgres_listen *listen, int wait_ms)
{
	struct pollfd pollfd = {.fd = postgres_listen_fd(listen), .events = POLLIN};
	unsigned bits = 0;
	(void)poll(&pollfd, 1, wait_ms);
	assert_int_equal(postgres_listen_read(listen, &bits, &f->diag), 0);
	return bits;
}

static void test_listening(void **state)
{
	struct fixture *f = *state;
	struct postgres_listen *listen = NULL;
	struct str host = STR("host 'x'; \xff");
	char name[] = "host 'x'; \xff";
	assert_int_equal(postgres_listen_new(str_of(f->url), host, &listen, &f->diag), 0);
	assert_int_equal(told(f, listen, 0), 0);
	assert_int_equal(change(f->store, "a", name), 0);
	assert_int_equal(told(f, listen, 5000), POSTGRES_TOLD_HOST);
	assert_int_equal(told(f, listen, 0), 0);
	begin(f);
	assert_int_equal(f->store->ops->secret_put(f->store, STR("key"), STR("1"), NULL), 0);
	commit(f);
	assert_int_equal(told(f, listen, 5000), POSTGRES_TOLD_SECRETS);
	begin(f); /* a move is told on both sides */
	assert_int_equal(put_on(f->store, "a", "y"), 0);
	commit(f);
	assert_int_equal(told(f, listen, 5000), POSTGRES_TOLD_HOST);
	assert_int_equal(change(f->store, "b", "y"), 0);
	begin(f);
	assert_int_equal(put_on(f->store, "c", name), 0);
	f->store->ops->rollback(f->store);
	assert_int_equal(postgres_listen_ping(listen, &f->diag), 0);
	assert_int_equal(told(f, listen, 0), 0); /* of others, and of nothing */
	assert_int_equal(change(f->store, "d", name), 0);
	assert_int_equal(postgres_listen_ping(listen, &f->diag), 0);
	assert_int_equal(told(f, listen, 0), POSTGRES_TOLD_HOST); /* it came with the ping */
	postgres_listen_free(listen);
}

static void test_one_daemon_a_host(void **state)
{
	struct fixture *f = *state;
	struct postgres_listen *first = NULL;
	struct postgres_listen *second = NULL;
	struct postgres_listen *other = NULL;
	assert_int_equal(postgres_listen_new(str_of(f->url), STR("x"), &first, &f->diag), 0);
	assert_int_equal(postgres_listen_new(str_of(f->url), STR("x"), &second, &f->diag), E_BUSY);
	assert_null(second);
	assert_non_null(strstr(f->diag.text, "host \"x\": connected from a socket, since 2"));
	assert_int_equal(postgres_listen_new(str_of(f->url), STR("y"), &other, &f->diag), 0);
	postgres_listen_free(first);
	postgres_listen_free(other);
	/* The server takes a moment to see that it has gone. */
	int rc;
	int64_t end_ms = postgres_now_ms() + 5000;
	while ((rc = postgres_listen_new(str_of(f->url), STR("x"), &second, &f->diag)) == E_BUSY &&
		postgres_now_ms() < end_ms) {
	}
	assert_int_equal(rc, 0);
	postgres_listen_free(second);
}

static void test_listening_to_one_that_goes(void **state)
{
	struct fixture *f = *state;
	struct postgres_listen *listen = NULL;
	unsigned bits = 0;
	assert_int_equal(postgres_listen_new(str_of(f->url), STR("x"), &listen, &f->diag), 0);
	pg_server_freeze(pg_server_shared(), true);
	ASSERT_WITHIN(AT_ONCE_MS, postgres_listen_read(listen, &bits, &f->diag), 0);
	ASSERT_WITHIN(DEADLINE_MS, postgres_listen_ping(listen, &f->diag), E_AWAY);
	ASSERT_WITHIN(AT_ONCE_MS, postgres_listen_ping(listen, &f->diag), E_AWAY);
	assert_int_equal(postgres_listen_read(listen, &bits, &f->diag), E_AWAY);
	postgres_listen_free(listen);
	struct postgres_listen *none = NULL;
	ASSERT_WITHIN(DEADLINE_MS, postgres_listen_new(str_of(f->url), STR("x"), &none, &f->diag),
		E_AWAY);
	assert_null(none);
	pg_server_freeze(pg_server_shared(), false);
	assert_int_equal(postgres_listen_new(str_of(f->url), STR("y"), &listen, &f->diag), 0);
	pg_server_stop(pg_server_shared(), true);
	struct pollfd pollfd = {.fd = postgres_listen_fd(listen), .events = POLLIN};
	assert_int_equal(poll(&pollfd, 1, 5000), 1); /* its end shows */
	assert_int_equal(postgres_listen_read(listen, &bits, &f->diag), E_AWAY);
	postgres_listen_free(listen);
	pg_server_run(pg_server_shared());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_server_that_stands_still),
		TEST(test_still_at_commit),
		TEST(test_cut_before_commit),
		TEST(test_server_that_is_restarted),
		TEST(test_daemon_that_stands_still),
		TEST(test_read_only),
		TEST(test_failover),
		TEST(test_listening),
		TEST(test_one_daemon_a_host),
		TEST(test_listening_to_one_that_goes),
	};
	return RUN_TESTS(tests);
}
