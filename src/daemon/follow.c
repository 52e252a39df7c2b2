#include "daemon/follow.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "platform/clock.h"
#include "platform/listen.h"

/* Lifetime: while its interface is there. */
struct spot {
	const struct config_listen *listen;
	struct netif netif; /* index 0: no interface */
	unsigned home;      /* the interface that was given the address; 0: none */
	bool added;         /* and by us, in this life */
	bool seen;          /* by the list that is being made */
	int number;         /* the handler's; -1: it does not listen */
};

/* --- which ----------------------------------------------------------------------------------- */

static bool is_pattern(struct str interface)
{
	return str_ends(interface, STR("*"));
}

static bool matches(const struct config_listen *listen, struct str name)
{
	struct str wanted = listen->interface;
	if (is_pattern(wanted)) {
		return str_starts(name, (struct str){wanted.p, wanted.n - 1});
	}
	return wanted.n && str_eq(wanted, name);
}

/* Of several entries for one address and port the first that means an interface has it. */
static bool is_first(const struct follow *follow, size_t entry, struct str name)
{
	const struct config_listen *listen = follow->entries_[entry];
	for (size_t i = 0; i < entry; i++) {
		const struct config_listen *other = follow->entries_[i];
		if (other->port == listen->port && ipaddr_eq(&other->address, &listen->address) &&
			matches(other, name)) {
			return false;
		}
	}
	return true;
}

static bool is_meant(const struct follow *follow, size_t entry, struct str name)
{
	return matches(follow->entries_[entry], name) && is_first(follow, entry, name);
}

/* --- faults ---------------------------------------------------------------------------------- */

static void warn(struct follow *follow, const struct diag *why)
{
	uint32_t held;
	if (log_limit_pass(&follow->log_, clock_wall_s(), &held)) {
		LOG(LOG_WARN, "listen", why->text, LOG_INT("held", held));
	}
}

/* At the start the first fault is the daemon's; later they are logged. */
static void report(struct follow *follow, int rc, const struct diag *why)
{
	if (!follow->first_) {
		warn(follow, why);
	} else if (follow->first_rc_ == 0) {
		follow->first_rc_ = diag_set(follow->first_, rc, "%s", why->text);
	}
}

static void report_address(
	struct follow *follow, const struct spot *spot, const char *interface, int rc)
{
	struct diag why;
	char text[IPADDR_TEXT_BYTES];
	ipaddr_format(&spot->listen->address, text);
	diag_write(&why, "can't give %s the address %s: %s", interface, text, result_name(rc));
	report(follow, rc, &why);
}

static void tell(const struct spot *spot, const char *what)
{
	char text[LISTEN_TEXT_BYTES];
	struct log_field fields[3];
	size_t n = 0;
	if (!log_enabled(LOG_INFO)) {
		return;
	}
	listen_format(&spot->listen->address, spot->listen->port, text);
	fields[n++] = LOG_TEXT("address", text);
	if (spot->netif.index) {
		fields[n++] = LOG_TEXT("interface", spot->netif.name);
	}
	if (spot->listen->netns.n) {
		fields[n++] = LOG_STR("netns", spot->listen->netns);
	}
	log_write(LOG_INFO, "listen", what, fields, n);
}

/* --- addresses ------------------------------------------------------------------------------- */

/* An interface for addresses that belong to none. */
static int find_own(struct follow *follow)
{
	struct str name = STR(FOLLOW_INTERFACE);
	struct netif netif;
	if (follow->own_) {
		return 0;
	}
	int rc = netif_make(&follow->netlink_, name, STR("dummy"));
	bool dummy = rc == 0 || rc == E_EXISTS;
	if (!dummy && rc != -EOPNOTSUPP) {
		return rc;
	}
	TRY(netif_find(&follow->netlink_, dummy ? name : STR("lo"), 0, &netif));
	if (!dummy) {
		LOG(LOG_INFO, "listen", "no dummy interfaces here, addresses go to another",
			LOG_TEXT("interface", netif.name));
	}
	follow->own_ = netif.index;
	follow->own_made_ = dummy && (rc == 0 || netif.ours);
	return 0;
}

/* Returns whether the spot's interface has its address, as far as that is our business. */
static bool set_up(struct follow *follow, struct spot *spot)
{
	const char *name = spot->netif.index ? spot->netif.name : FOLLOW_INTERFACE;
	if (!spot->listen->set_up) {
		return true;
	}
	int rc = spot->netif.index ? 0 : find_own(follow);
	if (rc == 0) {
		spot->home = spot->netif.index ? spot->netif.index : follow->own_;
		rc = netif_add_address(&follow->netlink_, spot->home, &spot->listen->address);
		spot->added |= rc == 0;
	}
	if (rc == E_NOTFOUND && spot->netif.index) {
		return false; /* the interface has gone: there will be news of it */
	}
	if (rc < 0 && rc != E_EXISTS) {
		report_address(follow, spot, name, rc);
		return false;
	}
	return true;
}

/* Also what a daemon before this one had to leave. */
static void take_away(struct follow *follow, struct spot *spot)
{
	const struct ipaddr *address = &spot->listen->address;
	if (spot->home &&
		(spot->added || netif_is_ours(&follow->netlink_, spot->home, address) == 1)) {
		/* If it is not there any more, all the better. */
		(void)!netif_remove_address(&follow->netlink_, spot->home, address);
	}
	spot->home = 0;
	spot->added = false;
}

/* --- listeners ------------------------------------------------------------------------------- */

/* Returns the handler's number, or an error with diag. */
static int listen_at(struct follow *follow, const struct spot *spot, struct diag *diag)
{
	const struct config_listen *listen = spot->listen;
	struct listen_spec spec = {listen->address, listen->port, str_of(spot->netif.name)};
	struct place place = {.network = listen->network,
		.ifindex = spot->netif.index,
		.bridge = spot->netif.bridge,
		.vlan = spot->netif.vlan,
		.space = follow->space_};
	memcpy(place.interface, spot->netif.name, sizeof place.interface);
	struct activation *inherited = spot->netif.index ? NULL : follow->inherited_;
	TRY(activation_tcp(inherited, &spec, follow->workers_, follow->fds_, diag));
	int rc = follow->handler_.open(follow->handler_.ctx, &place, follow->fds_);
	return rc < 0 ? diag_set(diag, rc, "no room for a listener at %s", place.interface) : rc;
}

static void open_spot(struct follow *follow, struct spot *spot)
{
	struct diag why;
	if (spot->number >= 0 || !set_up(follow, spot)) {
		return;
	}
	int rc = listen_at(follow, spot, &why);
	if (rc >= 0) {
		spot->number = rc;
		tell(spot, "listening");
	} else if (rc == -EADDRNOTAVAIL && spot->netif.index) {
		warn(follow,
			&why); /* it may come, too, and an IPv6 one takes a while to be there */
	} else if (rc != -ENODEV) { /* gone already: there will be news of it */
		report(follow, rc, &why);
	}
}

static void close_spot(struct follow *follow, struct spot *spot)
{
	if (spot->number >= 0) {
		follow->handler_.close(follow->handler_.ctx, (unsigned)spot->number);
		if (spot->netif.index) {
			tell(spot, "not listening any more"); /* others stay until the end */
		}
		spot->number = -1;
	}
	take_away(follow, spot);
}

static void drop_spot(struct follow *follow, size_t at)
{
	close_spot(follow, &follow->spots_[at]);
	follow->spots_[at] = follow->spots_[--follow->n_spots_];
}

static int add_spot(
	struct follow *follow, const struct config_listen *listen, const struct netif *netif)
{
	struct spot *spots =
		array_room(follow->spots_, follow->n_spots_, &follow->room_, sizeof *spots);
	if (!spots) {
		report(follow, -ENOMEM, &(struct diag){"out of memory"});
		return -ENOMEM;
	}
	follow->spots_ = spots;
	follow->spots_[follow->n_spots_] =
		(struct spot){.listen = listen, .netif = *netif, .number = -1};
	return (int)follow->n_spots_++;
}

/* --- news ------------------------------------------------------------------------------------ */

static bool is_same(const struct netif *a, const struct netif *b)
{
	return strcmp(a->name, b->name) == 0 && a->bridge == b->bridge && a->vlan == b->vlan;
}

/* An interface is there, or is not what it was: another name, or a bridge with other VLANs. */
static void on_there(void *ctx, const struct netif *netif)
{
	struct follow *follow = ctx;
	for (size_t i = follow->n_spots_; i-- > 0;) {
		const struct spot *spot = &follow->spots_[i];
		if (spot->netif.index == netif->index && !is_same(&spot->netif, netif)) {
			drop_spot(follow, i);
		}
	}
	for (size_t entry = 0; entry < follow->n_entries_; entry++) {
		const struct config_listen *listen = follow->entries_[entry];
		int at = -1;
		if (!is_meant(follow, entry, str_of(netif->name))) {
			continue;
		}
		for (size_t i = 0; at < 0 && i < follow->n_spots_; i++) {
			const struct spot *spot = &follow->spots_[i];
			at = spot->netif.index == netif->index && spot->listen == listen ? (int)i
											 : -1;
		}
		at = at < 0 ? add_spot(follow, listen, netif) : at;
		if (at >= 0) {
			follow->spots_[at].seen = true;
			open_spot(follow, &follow->spots_[at]);
		}
	}
}

static void on_gone(void *ctx, unsigned index)
{
	struct follow *follow = ctx;
	for (size_t i = follow->n_spots_; i-- > 0;) {
		if (index && follow->spots_[i].netif.index == index) {
			drop_spot(follow, i);
		}
	}
}

/* An address that was lost is given again. One that is new may be what a listener waits for. */
static void on_address(void *ctx, unsigned index, bool gone)
{
	struct follow *follow = ctx;
	for (size_t i = 0; gone && i < follow->n_spots_; i++) {
		if (follow->spots_[i].home == index) {
			(void)set_up(follow, &follow->spots_[i]); /* it says what is wrong */
		}
	}
}

static struct netif_news news_of(struct follow *follow)
{
	return (struct netif_news){on_there, on_gone, on_address, follow};
}

/* All that is there, for the first time or after news was lost. */
static int look_around(struct follow *follow)
{
	struct netif_news news = news_of(follow);
	for (size_t i = 0; i < follow->n_spots_; i++) {
		follow->spots_[i].seen = follow->spots_[i].netif.index == 0;
	}
	/* One that changes meanwhile is in the news. */
	TRY(netif_list(&follow->list_, &news));
	for (size_t i = follow->n_spots_; i-- > 0;) {
		struct spot *spot = &follow->spots_[i];
		if (!spot->seen) {
			drop_spot(follow, i);
		} else if (spot->number >= 0) {
			(void)set_up(follow, spot); /* it says what is wrong */
		}
	}
	return 0;
}

bool follow_turn(struct follow *follow)
{
	struct netif_news news = news_of(follow);
	int rc = netif_changes(&follow->news_, &news);
	follow->lost_ |= rc < 0;
	if (follow->lost_) {
		rc = look_around(follow);
		follow->lost_ = rc < 0;
	}
	bool waiting = follow->lost_;
	if (rc < 0) {
		struct diag why;
		diag_write(&why, "can't follow interfaces: %s", result_name(rc));
		report(follow, rc, &why);
	}
	for (size_t i = 0; i < follow->n_spots_; i++) {
		open_spot(follow, &follow->spots_[i]);
		waiting |= follow->spots_[i].number < 0;
	}
	return waiting;
}

/* --- life ------------------------------------------------------------------------------------ */

int follow_init(struct follow *follow, const struct config *config, struct str netns,
	unsigned space, unsigned workers)
{
	*follow = (struct follow){.space_ = space, .workers_ = workers};
	follow->entries_ = calloc(config->n_listen + 1, sizeof(struct config_listen *));
	follow->fds_ = calloc(workers, sizeof *follow->fds_);
	if (!follow->entries_ || !follow->fds_) {
		follow_done(follow);
		return -ENOMEM;
	}
	for (size_t i = 0; i < config->n_listen; i++) {
		if (str_eq(config->listen[i].netns, netns)) {
			follow->entries_[follow->n_entries_++] = &config->listen[i];
		}
	}
	return 0;
}

bool follow_is_needed(const struct follow *follow)
{
	for (size_t i = 0; i < follow->n_entries_; i++) {
		if (follow->entries_[i]->interface.n || follow->entries_[i]->set_up) {
			return true;
		}
	}
	return false;
}

/* Entries that have no interface are listeners from the start and to the end. */
static void begin_fixed(struct follow *follow)
{
	static const struct netif none = {0};
	for (size_t i = 0; i < follow->n_entries_ && follow->first_rc_ == 0; i++) {
		const struct config_listen *listen = follow->entries_[i];
		int at = listen->interface.n ? -1 : add_spot(follow, listen, &none);
		if (at >= 0) {
			open_spot(follow, &follow->spots_[at]);
		}
	}
}

static void tell_who_waits(const struct follow *follow)
{
	for (size_t entry = 0; entry < follow->n_entries_; entry++) {
		const struct config_listen *listen = follow->entries_[entry];
		bool there = listen->interface.n == 0 || is_pattern(listen->interface);
		for (size_t i = 0; i < follow->n_spots_; i++) {
			there |= follow->spots_[i].listen == listen;
		}
		if (!there) {
			char text[LISTEN_TEXT_BYTES];
			listen_format(&listen->address, listen->port, text);
			LOG(LOG_WARN, "listen", "waiting for an interface",
				LOG_TEXT("address", text), LOG_STR("interface", listen->interface));
		}
	}
}

static int begin(struct follow *follow, int *ret_fd, struct diag *diag)
{
	int rc = 0, fd = -1;
	if (follow_is_needed(follow)) {
		rc = netif_watch(&follow->news_, &fd);
	}
	begin_fixed(follow);
	if (rc == 0 && fd >= 0 && follow->first_rc_ == 0) {
		rc = look_around(follow);
	}
	if (rc < 0) {
		return diag_set(diag, rc, "can't follow interfaces: %s", result_name(rc));
	}
	*ret_fd = fd;
	return follow->first_rc_;
}

int follow_begin(struct follow *follow, const struct follow_handler *handler,
	struct activation *inherited, int *ret_fd, struct diag *diag)
{
	struct diag first = {{0}};
	follow->handler_ = *handler;
	follow->first_ = &first;
	follow->inherited_ = inherited;
	int rc = begin(follow, ret_fd, &first);
	follow->first_ = NULL;
	follow->inherited_ = NULL;
	if (rc < 0) {
		return diag_set(diag, rc, "%s", first.text);
	}
	tell_who_waits(follow);
	return 0;
}

void follow_done(struct follow *follow)
{
	struct netif netif;
	for (size_t i = 0; i < follow->n_spots_; i++) {
		take_away(follow, &follow->spots_[i]);
	}
	if (follow->own_made_ &&
		netif_find(&follow->netlink_, STR_EMPTY, follow->own_, &netif) == 0) {
		/* If it is not there any more, all the better. */
		(void)!netif_remove(&follow->netlink_, follow->own_);
	}
	netlink_done(&follow->netlink_);
	netlink_done(&follow->list_);
	netlink_done(&follow->news_);
	free(follow->spots_);
	free(follow->entries_);
	free(follow->fds_);
	*follow = (struct follow){.space_ = 0};
}
