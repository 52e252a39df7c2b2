#include "daemon/feed.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "config/look.h"
#include "config/source.h"
#include "platform/clock.h"
#include "platform/file.h"
#include "platform/watch.h"

#define MANY 1000 /* instances: so many leave memory behind that can be given back */

/* A path of instances, and where it leads to. Lifetime: until other files are followed. */
struct root {
	char *path;
	char *folder;     /* itself, or the one that the file is in */
	const char *file; /* its name in the folder; NULL: it is the folder */
	int watch;        /* -1: not watched */
	bool unwatchable; /* and that was said */
	bool all;         /* look at all of it */
	dev_t device;     /* of the folder that is watched */
	ino_t inode;
	struct buf names; /* of files that have changed, each with its NUL */
	size_t n_names;
	uint64_t told; /* a hash of what was said to be wrong with it; 0: nothing is wrong */
	uint64_t read; /* of a file: its stamp when it was looked at */
	uint64_t seen; /* of a file: its stamp a tick ago */
};

struct feed {
	struct registrar *registrar;
	struct registry *registry;
	struct watch watch;
	struct files files;
	struct root *roots;
	size_t n_roots;
	size_t n_wrong; /* files */
	bool failed;    /* what is to be applied could not be */
	uint64_t
		first_ms; /* when the first change was heard of since the last look; 0: there is none */
	uint64_t last_ms;  /* the last one */
	uint64_t tick_ms;  /* when to look where the paths lead to */
	uint64_t again_ms; /* when to try again with what is wrong */
};

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --- roots ------------------------------------------------------------------------------------- */

static void root_done(struct root *root)
{
	free(root->path);
	free(root->folder);
	buf_done(&root->names);
}

static void forget_roots(struct feed *feed)
{
	for (size_t i = 0; i < feed->n_roots; i++) {
		watch_remove(&feed->watch, feed->roots[i].watch);
		root_done(&feed->roots[i]);
	}
	free(feed->roots);
	feed->roots = NULL;
	feed->n_roots = 0;
}

static void mark_all(struct feed *feed, struct root *root)
{
	root->all = true;
	buf_reset(&root->names);
	root->n_names = 0;
	feed->last_ms = clock_mono_ms();
	feed->first_ms = feed->first_ms ? feed->first_ms : feed->last_ms;
}

/* Something is wrong with a path; once, until it is something else. */
static void say_wrong(struct root *root, int rc)
{
	uint64_t told = hash_str(HASH_START, str_of(result_name(rc)));
	if (root->told != told) {
		root->told = told;
		LOG(LOG_ERROR, "daemon", "can't look at the instances, they stay as they are",
			LOG_TEXT("path", root->path), LOG_TEXT("error", result_name(rc)));
	}
}

static void say_right(struct root *root)
{
	if (root->told) {
		root->told = 0;
		LOG(LOG_INFO, "daemon", "the instances can be looked at again",
			LOG_TEXT("path", root->path));
	}
}

/* The folder of a path, and the name in it if the path is a file. */
static int place_root(struct root *root, bool folder)
{
	const char *slash = strrchr(root->path, '/');
	struct str above = {root->path, slash ? (size_t)(slash - root->path) + 1 : 0};
	free(root->folder);
	root->file = folder ? NULL : slash ? slash + 1 : root->path;
	root->folder = str_dup(folder ? str_of(root->path) : above.n ? above : STR("."));
	return root->folder ? 0 : -ENOMEM;
}

static bool is_watched(const struct feed *feed, const struct root *other)
{
	for (size_t i = 0; i < feed->n_roots; i++) {
		const struct root *root = &feed->roots[i];
		if (root != other && root->watch >= 0 && root->watch == other->watch) {
			return true;
		}
	}
	return false;
}

static void unwatch(struct feed *feed, struct root *root)
{
	/* Files of one folder share its watch. */
	if (root->watch >= 0 && !is_watched(feed, root)) {
		watch_remove(&feed->watch, root->watch);
	}
	root->watch = -1;
}

static void watch_root(struct feed *feed, struct root *root, const struct stat *folder)
{
	unwatch(feed, root);
	root->device = folder->st_dev;
	root->inode = folder->st_ino;
	root->watch = watch_add(&feed->watch, root->folder);
	if (root->watch < 0 && !root->unwatchable) {
		LOG(LOG_WARN, "daemon", "can't watch the instances, looking each second",
			LOG_TEXT("path", root->path), LOG_TEXT("error", result_name(root->watch)));
	}
	root->unwatchable = root->watch < 0;
	mark_all(feed, root);
}

/*
 * Look where the path leads to. It may be a link, or what is above it may be replaced; none of that
 * is told by the folder that is watched. False when it leads nowhere.
 */
static bool check_root(struct feed *feed, struct root *root)
{
	struct stat at, folder;
	if (stat(root->path, &at) < 0) {
		say_wrong(root, -errno);
		return false;
	}
	/* Pipes are read once, at the start. */
	if (!S_ISDIR(at.st_mode) && !S_ISREG(at.st_mode)) {
		return false;
	}
	if (!root->folder || S_ISDIR(at.st_mode) == (root->file != NULL)) {
		unwatch(feed, root);
		if (place_root(root, S_ISDIR(at.st_mode)) < 0) {
			say_wrong(root, -ENOMEM);
			return false;
		}
	}
	if (stat(root->folder, &folder) < 0) {
		say_wrong(root, -errno);
		return false;
	}
	if (root->watch < 0 || root->device != folder.st_dev || root->inode != folder.st_ino) {
		watch_root(feed, root, &folder);
	}
	return true;
}

/* --- what is told ------------------------------------------------------------------------------ */

/* A file that was made now has nothing in it yet, but a link has. */
static bool is_link(const struct root *root, struct str name)
{
	struct stat st;
	CLEANUP(buf_done) struct buf path = BUF_EMPTY;
	buf_add(&path, str_of(root->folder));
	buf_add_char(&path, '/');
	buf_add(&path, name);
	buf_add_char(&path, '\0');
	return buf_status(&path) == 0 && lstat(path.p, &st) == 0 &&
	       (S_ISLNK(st.st_mode) || st.st_nlink > 1);
}

static void mark_name(struct feed *feed, struct root *root, struct str name)
{
	if (root->all || root->file || root->n_names == FEED_NAMES_MAX) {
		mark_all(feed, root);
		return;
	}
	buf_add(&root->names, name);
	buf_add_char(&root->names, '\0');
	root->n_names++;
	if (buf_status(&root->names) < 0) {
		mark_all(feed, root);
	}
	feed->last_ms = clock_mono_ms();
	feed->first_ms = feed->first_ms ? feed->first_ms : feed->last_ms;
}

static void on_event(void *ctx, int folder, enum watch_event event, struct str name)
{
	struct feed *feed = ctx;
	for (size_t i = 0; i < feed->n_roots; i++) {
		struct root *root = &feed->roots[i];
		if (event == WATCH_LOST && (folder == -1 || folder == root->watch)) {
			unwatch(feed, root);
			/* See where it leads to; who replaces a folder needs a moment. */
			feed->tick_ms = sooner(feed->tick_ms, clock_mono_ms() + FEED_QUIET_MS);
			continue;
		}
		bool wanted =
			root->file ? str_eq(name, str_of(root->file)) : source_is_wanted(name);
		if (folder != root->watch || !wanted) {
			continue;
		}
		if (event == WATCH_CHANGED || is_link(root, name)) {
			mark_name(feed, root, name);
		}
	}
}

/* --- looking ----------------------------------------------------------------------------------- */

static int out_of_memory(struct diag *diag)
{
	return diag_set(diag, -ENOMEM, "out of memory");
}

static int look_at_marked(struct look *look, size_t i, struct root *root, struct diag *diag)
{
	const char *name = root->names.p;
	const char **names = calloc(root->n_names + 1, sizeof *names);
	if (!names) {
		return out_of_memory(diag);
	}
	for (size_t n = 0; n < root->n_names; n++, name = files_after(name)) {
		names[n] = name;
	}
	int rc = look_at_names(look, i, names, root->n_names, diag);
	free(names);
	return rc;
}

/* A folder that can't be listed keeps its instances and does not hold up other folders. */
static int look_at_root(struct feed *feed, struct look *look, size_t i, struct diag *diag)
{
	struct root *root = &feed->roots[i];
	if (!check_root(feed, root)) {
		return look_past(look, i) < 0 ? out_of_memory(diag) : 0;
	}
	if (!root->all && !root->file) {
		return look_at_marked(look, i, root, diag);
	}
	int rc = look_at(look, i, diag);
	if (rc < 0 && rc != -ENOMEM) {
		say_wrong(root, rc);
		return look_past(look, i) < 0 ? out_of_memory(diag) : 0;
	}
	if (rc == 0) {
		say_right(root);
	}
	return rc;
}

struct reading {
	struct look *look;
	int rc;
};

static void *read_on_thread(void *ctx)
{
	struct reading *reading = ctx;
	reading->rc = look_read(reading->look);
	return NULL;
}

/* As the configuration is read, and for the same reason: memory that can be given back afterwards. */
static int read_files(struct look *look, struct diag *diag)
{
	struct reading reading = {.look = look};
	pthread_t thread;
	if (pthread_create(&thread, NULL, read_on_thread, &reading) == 0) {
		pthread_join(thread, NULL);
	} else {
		(void)read_on_thread(&reading); /* it is in reading.rc */
	}
	return reading.rc < 0 ? out_of_memory(diag) : 0;
}

/* --- applying ---------------------------------------------------------------------------------- */

struct batch {
	struct feed *feed;
	struct look *look;
	struct look_file **v; /* those that are LOOK_READ or LOOK_GONE */
	size_t n;
	size_t changed;
	struct diag diag;
};

/* Names that a file had and that no file wishes for now. */
static int add_gone(const struct batch *batch, const struct look_file *file, json_t *gone)
{
	const struct files *before = batch->look->before;
	const char *name = file->before ? files_names(before, file->before) : NULL;
	for (size_t i = 0; file->before && i < file->before->n_names; i++) {
		if (!json_object_get(batch->look->wished, name) &&
			json_array_append_new(gone, json_string(name)) < 0) {
			return -ENOMEM;
		}
		name = files_after(name);
	}
	return 0;
}

static int apply_files(struct batch *batch, struct look_file **v, size_t n)
{
	CLEANUP(json_done) json_t *specs = json_array();
	CLEANUP(json_done) json_t *gone = json_array();
	bool complete = specs && gone;
	size_t changed = 0;
	for (size_t i = 0; complete && i < n; i++) {
		complete = add_gone(batch, v[i], gone) == 0 &&
			   (!v[i]->specs || json_array_extend(specs, v[i]->specs) == 0);
	}
	if (!complete) {
		return out_of_memory(&batch->diag);
	}
	const struct deed deed = {.at_ms = clock_wall_ms(),
		.who = STR("files"),
		.from = str_of(n == 1 ? v[0]->path : files_root(batch->look->before, v[0]->root)),
		.action = STR("telltale:ApplyFiles")};
	TRY(registrar_apply_some(
		batch->feed->registrar, &deed, specs, gone, &changed, &batch->diag));
	batch->changed += changed;
	return 0;
}

/* What a file says can't be done; everything else is the machine's fault, and may pass. */
static bool is_file_s_fault(int rc)
{
	return rc == E_EXISTS || rc == E_SYNTAX || rc == E_RANGE || rc == E_LIMIT ||
	       rc == E_DENIED || rc == E_DAMAGED;
}

/* All of them as one change. If that can't be, one half and then the other, down to single files. */
static int apply_halves(struct batch *batch, struct look_file **v, size_t n)
{
	int rc = n ? apply_files(batch, v, n) : 0;
	if (!is_file_s_fault(rc)) {
		return rc;
	}
	if (n > 1) {
		TRY(apply_halves(batch, v, n / 2));
		return apply_halves(batch, v + n / 2, n - n / 2);
	}
	if (v[0]->state != LOOK_READ) {
		return rc;
	}
	return look_refuse(batch->look, v[0], batch->diag.text) < 0 ? out_of_memory(&batch->diag)
								    : 0;
}

/* Those that were refused come to the front. Returns how many. */
static size_t take_refused(struct batch *batch)
{
	size_t n = 0;
	for (size_t i = 0; i < batch->n; i++) {
		if (batch->v[i]->state == LOOK_WRONG) {
			batch->v[n++] = batch->v[i];
		}
	}
	return n;
}

/* What was refused is tried again as long as something else goes well: that may have made room. */
static int apply_batch(struct batch *batch)
{
	for (;;) {
		TRY(apply_halves(batch, batch->v, batch->n));
		size_t refused = take_refused(batch);
		if (refused == 0 || refused == batch->n) {
			return 0;
		}
		batch->n = refused;
		for (size_t i = 0; i < refused; i++) {
			batch->v[i]->state = LOOK_READ;
		}
	}
}

static int apply_look(struct batch *batch)
{
	struct look *look = batch->look;
	batch->v = calloc(look->n + 1, sizeof *batch->v);
	if (!batch->v) {
		return out_of_memory(&batch->diag);
	}
	for (size_t i = 0; i < look->n; i++) {
		struct look_file *file = &look->v[i];
		if (file->state == LOOK_READ || file->state == LOOK_GONE) {
			batch->v[batch->n++] = file;
		}
	}
	int rc = apply_batch(batch);
	free(batch->v);
	return rc;
}

/* --- telling ----------------------------------------------------------------------------------- */

static void tell_file(const struct look_file *file)
{
	if (file->state == LOOK_WRONG) {
		LOG(LOG_ERROR, "daemon", "a file is wrong, its instances stay as they are",
			LOG_TEXT("error", file->error));
	} else {
		LOG(LOG_INFO, "daemon", "a file is right again", LOG_TEXT("path", file->path));
	}
}

/* Once, until the file or what is wrong with it is another. Returns how many are wrong. */
static size_t tell_files(const struct look *look)
{
	size_t wrong = 0, lines = 0;
	for (size_t i = 0; i < look->n; i++) {
		const struct look_file *file = &look->v[i];
		uint64_t before = file->before ? file->before->told : 0;
		bool is_wrong = file->state == LOOK_WRONG;
		wrong += is_wrong || (file->state == LOOK_SAME && before);
		bool untold =
			is_wrong ? before != look_told(file) : before && file->state == LOOK_READ;
		if (untold && lines++ < FEED_LINES) {
			tell_file(file);
		}
	}
	if (lines > FEED_LINES) {
		LOG(LOG_ERROR, "daemon", "more files are wrong or right again",
			LOG_INT("more", lines - FEED_LINES));
	}
	return wrong;
}

/* The machine's fault, and not for ever: all is looked at again later. */
static void tell_failure(struct feed *feed, const char *error)
{
	if (!feed->failed) {
		LOG(LOG_ERROR, "daemon", "changed files can't be applied yet",
			LOG_TEXT("error", error));
	}
	feed->failed = true;
	for (size_t i = 0; i < feed->n_roots; i++) {
		feed->roots[i].all = true;
	}
}

static void tell_change(const struct feed *feed, size_t changed)
{
	LOG(LOG_INFO, "daemon", "instances", LOG_INT("changed", changed),
		LOG_INT("total", registry_count(feed->registry)));
	if (changed > MANY) {
		(void)malloc_trim(0); /* whatever it could give back */
	}
}

/* --- all of it --------------------------------------------------------------------------------- */

static int look_and_apply(struct feed *feed, struct look *look, struct batch *batch)
{
	for (size_t i = 0; i < feed->n_roots; i++) {
		TRY(look_at_root(feed, look, i, &batch->diag));
	}
	TRY(read_files(look, &batch->diag));
	return apply_look(batch);
}

/* Nothing is marked any more; what comes from now on is for the next look. */
static void unmark(struct feed *feed)
{
	for (size_t i = 0; i < feed->n_roots; i++) {
		struct root *root = &feed->roots[i];
		root->all = false;
		buf_reset(&root->names);
		root->n_names = 0;
	}
	feed->first_ms = 0;
}

static void note_stamps(struct feed *feed, const struct look *look)
{
	for (size_t i = 0; i < look->n; i++) {
		if (!look->v[i].in_folder) {
			feed->roots[look->v[i].root].read = look->v[i].stamp;
		}
	}
}

static void look_now(struct feed *feed)
{
	struct look look;
	struct batch batch = {.feed = feed, .look = &look};
	look_init(&look, &feed->files);
	int rc = look_and_apply(feed, &look, &batch);
	unmark(feed);
	struct files next = FILES_EMPTY;
	if (rc == 0 && look_next(&look, &next) < 0) {
		rc = out_of_memory(&batch.diag);
	}
	if (rc < 0) {
		tell_failure(feed, batch.diag.text);
	} else {
		feed->failed = false;
		feed->n_wrong = tell_files(&look);
		note_stamps(feed, &look);
	}
	look_done(&look);
	if (rc == 0) {
		files_done(&feed->files);
		feed->files = next;
	}
	if (batch.changed) {
		tell_change(feed, batch.changed);
	}
	feed->again_ms = clock_mono_ms() + FEED_AGAIN_MS;
}

/*
 * A file that is a link: where it leads to, something may be written without a word. It is read when
 * it has been as it is for a tick, so that it is not half written.
 */
static void check_stamp(struct feed *feed, struct root *root)
{
	uint64_t stamp = file_stamp(root->path);
	if (stamp != root->read && stamp == root->seen) {
		mark_all(feed, root);
	}
	root->seen = stamp;
}

static void tick(struct feed *feed)
{
	for (size_t i = 0; i < feed->n_roots; i++) {
		struct root *root = &feed->roots[i];
		if (!check_root(feed, root)) {
			continue;
		}
		if (root->unwatchable) {
			mark_all(feed, root);
		}
		if (root->file) {
			check_stamp(feed, root);
		}
	}
}

static bool is_due(const struct feed *feed, uint64_t now_ms)
{
	if (feed->first_ms && (now_ms >= feed->last_ms + FEED_QUIET_MS ||
				      now_ms >= feed->first_ms + FEED_BURST_MS)) {
		return true;
	}
	return (feed->n_wrong || feed->failed) && now_ms >= feed->again_ms;
}

bool feed_turn(struct feed *feed, uint64_t now_ms)
{
	watch_read(&feed->watch, on_event, feed);
	if (now_ms >= feed->tick_ms) {
		feed->tick_ms = now_ms + FEED_TICK_MS;
		tick(feed);
	}
	if (!is_due(feed, now_ms)) {
		return false;
	}
	look_now(feed);
	return true;
}

int feed_wait_ms(const struct feed *feed, uint64_t now_ms)
{
	uint64_t until_ms = feed->tick_ms;
	if (feed->first_ms) {
		uint64_t due_ms =
			sooner(feed->last_ms + FEED_QUIET_MS, feed->first_ms + FEED_BURST_MS);
		until_ms = sooner(until_ms, due_ms);
	}
	return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

int feed_fd(const struct feed *feed)
{
	return feed->watch.fd;
}

size_t feed_instances(const struct feed *feed)
{
	return feed->files.n_names;
}

/* --- life -------------------------------------------------------------------------------------- */

struct feed *feed_new(struct registrar *registrar, struct registry *registry)
{
	struct feed *feed = calloc(1, sizeof *feed);
	if (feed) {
		*feed = (struct feed){
			.registrar = registrar, .registry = registry, .watch = WATCH_EMPTY};
	}
	return feed;
}

void feed_free(struct feed *feed)
{
	if (feed) {
		forget_roots(feed);
		files_done(&feed->files);
		watch_done(&feed->watch);
		free(feed);
	}
}

/* Without a descriptor each folder says that it can't be watched. */
static void open_watch(struct feed *feed)
{
	if (feed->watch.fd < 0 && feed->n_roots) {
		(void)!watch_init(&feed->watch); /* watch_add() fails then */
	}
}

int feed_follow(struct feed *feed, struct files *files)
{
	struct root *roots = calloc(files->n_roots + 1, sizeof *roots);
	bool complete = roots != NULL;
	for (size_t i = 0; complete && i < files->n_roots; i++) {
		roots[i] =
			(struct root){.watch = -1, .path = str_dup(str_of(files_root(files, i)))};
		complete = roots[i].path != NULL;
	}
	forget_roots(feed);
	files_done(&feed->files);
	if (!complete) {
		for (size_t i = 0; roots && i < files->n_roots; i++) {
			root_done(&roots[i]);
		}
		free(roots);
		return -ENOMEM;
	}
	feed->roots = roots;
	feed->n_roots = files->n_roots;
	feed->files = *files;
	*files = FILES_EMPTY;
	feed->n_wrong = 0;
	feed->failed = false;
	open_watch(feed);
	if (feed->n_roots) {
		tick(feed);
		look_now(feed); /* from the reading until now nobody watched */
	}
	return 0;
}
