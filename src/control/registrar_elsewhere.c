#include "control/registrar_elsewhere.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "control/host_row.h"
#include "control/row.h"
#include "control/view.h"
#include "store/fleet_store.h"

#define SLICE 500 /* rows at once */

void glimpse_done(struct glimpse *glimpse)
{
	registry_lone_free(glimpse->lone);
	free(glimpse->host_text);
	free(glimpse->next_host);
	*glimpse = (struct glimpse){0};
}

bool elsewhere_reached(const struct registrar *registrar)
{
	return registrar->fleet && fleet_store_is_attached(registrar->store);
}

/* --- what its guests see --------------------------------------------------------------------- */

/* How far a host is, which is asked once a list. applied: a map, or NULL. */
static int applied_of(struct registrar *registrar, const char *host, json_t *applied,
	uint64_t *ret_applied, struct diag *diag)
{
	const json_t *known = json_object_get(applied, host);
	*ret_applied = known ? (uint64_t)json_integer_value(known) : 0;
	if (known) {
		return 0;
	}
	TRY(host_row_applied(registrar->store, str_of(host), ret_applied, diag));
	if (applied &&
		json_object_set_new(applied, host, json_integer((json_int_t)*ret_applied)) < 0) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	return 0;
}

/* Takes the row's hosts. */
static int look(struct registrar *registrar, struct row *row, json_t *applied,
	struct glimpse *ret_glimpse, struct diag *diag)
{
	struct instance *instance = NULL;
	uint64_t reached;
	TRY(applied_of(registrar, row->host, applied, &reached, diag));
	int rc = row_instance(row, registrar->site, &instance, diag);
	if (rc < 0) {
		return rc == -ENOMEM ? rc : E_DAMAGED;
	}
	struct entry *lone = registry_lone(registrar->registry, instance, reached >= row->revision);
	if (!lone) {
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	*ret_glimpse = (struct glimpse){.entry = lone,
		.lone = lone,
		.host = str_of(row->host),
		.host_text = row->host,
		.next_host = row->next_host};
	row->host = row->next_host = NULL;
	return 0;
}

/* --- one ------------------------------------------------------------------------------------- */

static struct glimpse here(const struct registrar *registrar, const struct entry *entry)
{
	return (struct glimpse){.entry = entry, .host = registrar->host};
}

/* What is not here: whether it is nowhere is known only where the others can be asked. */
static int not_here(
	const struct registrar *registrar, const char *what, struct str value, struct diag *diag)
{
	if (registrar->fleet && !elsewhere_reached(registrar)) {
		return diag_set(diag, E_AWAY,
			"there is no instance%s'%.*s' on this host, and the fleet's database can't "
			"be reached now",
			what, STR_FMT(value));
	}
	return diag_set(diag, E_NOTFOUND, "there is no instance%s'%.*s'", what, STR_FMT(value));
}

int glimpse_by_name(struct registrar *registrar, struct str name, struct glimpse *ret_glimpse,
	struct diag *diag)
{
	const struct entry *entry = registry_find(registrar->registry, name);
	if (entry) {
		*ret_glimpse = here(registrar, entry);
		return 0;
	}
	if (!elsewhere_reached(registrar)) {
		return not_here(registrar, " ", name, diag);
	}
	CLEANUP(row_done) struct row row = {0};
	TRY(row_get(registrar->store, name, &row, diag));
	return look(registrar, &row, NULL, ret_glimpse, diag);
}

int glimpse_by_id(
	struct registrar *registrar, struct str id, struct glimpse *ret_glimpse, struct diag *diag)
{
	const struct entry *entry = registry_find_id(registrar->registry, id);
	if (entry) {
		*ret_glimpse = here(registrar, entry);
		return 0;
	}
	if (!elsewhere_reached(registrar)) {
		return not_here(registrar, " of id ", id, diag);
	}
	CLEANUP(row_done) struct row row = {0};
	TRY(row_find(registrar->store, id, &row, diag));
	return look(registrar, &row, NULL, ret_glimpse, diag);
}

/* --- all ------------------------------------------------------------------------------------- */

json_t *elsewhere_view(const struct registrar *registrar, const struct registrar_query *query,
	const struct glimpse *glimpse)
{
	if (query && query->view) {
		return query->view(registrar->registry, glimpse->entry);
	}
	json_t *view = view_instance(registrar->registry, glimpse->entry);
	const char *next = glimpse->next_host;
	int rc = 0;
	if (view && registrar->fleet) {
		rc = json_object_set_new(view, "host", json_from_str(glimpse->host));
	}
	if (view && next && next[0]) {
		rc |= json_object_set_new(view, "nextHost", json_string(next));
	}
	if (rc < 0) {
		json_decref(view);
		view = NULL;
	}
	return view;
}

struct named_row {
	char *name;
	struct row row;
};

struct slice {
	struct named_row v[SLICE];
	size_t n;
};

static void slice_done(struct slice *slice)
{
	for (size_t i = 0; i < slice->n; i++) {
		free(slice->v[i].name);
		row_done(&slice->v[i].row);
	}
	slice->n = 0;
}

static int on_row(void *ctx, const struct store_instance *from)
{
	struct slice *slice = ctx;
	if (slice->n == SLICE) {
		return E_AGAIN;
	}
	struct named_row *one = &slice->v[slice->n++];
	*one = (struct named_row){.name = str_dup(from->name)};
	int rc = one->name ? row_take(&one->row, from) : -ENOMEM;
	return rc == E_DAMAGED ? 0 : rc; /* without a specification */
}

struct listing {
	struct registrar *registrar;
	const struct registrar_query *query;
	json_t *views;
	json_t *applied; /* by host */
	size_t looked;
};

/* Show one, unless it is not selected. */
static int list_one(struct listing *listing, struct named_row *one, struct diag *diag)
{
	struct registrar *registrar = listing->registrar;
	const struct page_select *select = &listing->query->select;
	CLEANUP(glimpse_done) struct glimpse glimpse = {0};
	const struct entry *entry = registry_find(registrar->registry, str_of(one->name));
	if (entry) {
		glimpse = here(registrar, entry);
	} else if (!one->row.spec || json_is_null(one->row.spec)) {
		return 0; /* hidden, or it makes no sense */
	} else {
		int rc = look(registrar, &one->row, listing->applied, &glimpse, diag);
		TRY(rc == E_DAMAGED ? 0 : rc);
		if (rc == E_DAMAGED) {
			return 0; /* its host has told of it */
		}
	}
	if (select->accepts && !select->accepts(select->ctx, entry_instance(glimpse.entry))) {
		return 0;
	}
	json_t *view = elsewhere_view(registrar, listing->query, &glimpse);
	return json_array_append_new(listing->views, view) < 0
		       ? diag_set(diag, -ENOMEM, "out of memory")
		       : 0;
}

/* Returns 1 when the page is at its end before the slice is; ret_last is the last one looked at. */
static int list_slice(
	struct listing *listing, struct slice *slice, struct buf *ret_last, struct diag *diag)
{
	size_t most = listing->query->most < PAGE_MOST ? listing->query->most : PAGE_MOST;
	for (size_t i = 0; i < slice->n; i++) {
		if (json_array_size(listing->views) == most || listing->looked == ELSEWHERE_SCAN) {
			return 1;
		}
		TRY(list_one(listing, &slice->v[i], diag));
		listing->looked++;
		buf_reset(ret_last);
		buf_add(ret_last, str_of(slice->v[i].name));
	}
	return buf_status(ret_last);
}

/* The next rows of all hosts, but for damaged ones. Returns E_AGAIN when there are more. */
static int read_slice(
	struct registrar *registrar, struct str after, struct slice *slice, struct diag *diag)
{
	struct store *store;
	int rc;
	do {
		store = registrar_reader(registrar);
		slice_done(slice);
		rc = store->ops->instance_each(
			store, (struct str){NULL, 0}, after, on_row, slice, diag);
	} while (registrar_read_again(registrar, store, rc));
	return rc == E_PARTIAL ? 0 : rc;
}

static int list_all(struct listing *listing, struct slice *slice, struct buf *last, bool *ret_more,
	struct diag *diag)
{
	int rc, ended;
	*ret_more = false;
	do {
		CLEANUP(buf_done) struct buf after = BUF_EMPTY;
		buf_add(&after, buf_str(last));
		TRY(buf_status(&after));
		rc = read_slice(listing->registrar, buf_str(&after), slice, diag);
		if (rc < 0 && rc != E_AGAIN) {
			return rc == -ENOMEM ? diag_set(diag, rc, "out of memory") : rc;
		}
		ended = list_slice(listing, slice, last, diag);
		TRY(ended);
	} while (rc == E_AGAIN && !ended);
	*ret_more = ended;
	return 0;
}

int elsewhere_list(struct registrar *registrar, const struct registrar_query *query, json_t *views,
	bool *ret_more, struct diag *diag)
{
	CLEANUP(buf_done) struct buf last = BUF_EMPTY;
	CLEANUP(json_done) json_t *applied = json_object();
	struct listing listing = {
		.registrar = registrar, .query = query, .views = views, .applied = applied};
	struct slice *slice = calloc(1, sizeof *slice);
	if (!slice || !applied) {
		free(slice);
		return diag_set(diag, -ENOMEM, "out of memory");
	}
	buf_add(&last, query->after);
	int rc = list_all(&listing, slice, &last, ret_more, diag);
	if (rc == 0 && *ret_more && query->ret_after) {
		buf_add(query->ret_after, buf_str(&last));
	}
	slice_done(slice);
	free(slice);
	return rc;
}
