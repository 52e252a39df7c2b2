#include "config/store_url.h"

#define HIDDEN STR("***")

bool store_url_is_fleet(struct str url)
{
	return str_starts(url, STR("postgresql://")) || str_starts(url, STR("postgres://"));
}

static size_t last_of(struct str text, char c)
{
	size_t at = text.n;
	for (size_t i = 0; i < text.n; i++) {
		at = text.p[i] == c ? i : at;
	}
	return at;
}

/* What stands before the hosts. A password may have an '@' in it that should have been encoded. */
static void show_user(struct str authority, struct buf *out)
{
	size_t at = last_of(authority, '@');
	if (at == authority.n) {
		buf_add(out, authority);
		return;
	}
	struct str user = {authority.p, at};
	size_t colon = str_find(user, ':');
	buf_add(out, (struct str){user.p, colon});
	if (colon < user.n) {
		buf_add_char(out, ':');
		buf_add(out, HIDDEN);
	}
	buf_add(out, str_from(authority, at));
}

static bool is_secret(struct str parameter)
{
	return str_starts(parameter, STR("password=")) ||
	       str_starts(parameter, STR("sslpassword="));
}

static void show_parameters(struct str rest, struct buf *out)
{
	while (rest.n) {
		struct str one = {rest.p, str_find(rest, '&')};
		if (is_secret(one)) {
			buf_add(out, (struct str){one.p, str_find(one, '=') + 1});
			buf_add(out, HIDDEN);
		} else {
			buf_add(out, one);
		}
		rest = str_from(rest, one.n);
		if (rest.n) {
			buf_add_char(out, '&');
			rest = str_from(rest, 1);
		}
	}
}

void store_url_show(struct str url, struct buf *out)
{
	if (!store_url_is_fleet(url)) {
		buf_add(out, url);
		return;
	}
	size_t scheme = str_find(url, '/') + 2;
	struct str rest = str_from(url, scheme);
	/* A password may have any of the signs in it that end it: it is before the last '@'. */
	size_t at = last_of(rest, '@');
	size_t from = at < rest.n ? at : 0;
	size_t query = from + str_find(str_from(rest, from), '?');
	struct str middle = {rest.p, query};
	size_t slash = from + str_find(str_from(middle, from), '/');
	buf_add(out, (struct str){url.p, scheme});
	show_user((struct str){middle.p, slash}, out);
	buf_add(out, str_from(middle, slash));
	if (query < rest.n) {
		buf_add_char(out, '?');
		show_parameters(str_from(rest, query + 1), out);
	}
}
