#include "cli/endpoint.h"

#include <stdio.h>

#include "base/ipaddr.h"

#define PORT_HTTP 80

static bool is_name_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_';
}

/* An IPv4 address or a name. What looks like an address must be one: "127.1" is neither. */
static bool is_host(struct str host)
{
	struct ipaddr addr;
	bool numeric = true;
	for (size_t i = 0; i < host.n; i++) {
		if (!is_name_char(host.p[i])) {
			return false;
		}
		numeric = numeric && (host.p[i] == '.' || (host.p[i] >= '0' && host.p[i] <= '9'));
	}
	if (host.n == 0 || host.p[0] == '.' || host.p[0] == '-') {
		return false;
	}
	return !numeric || ipaddr_parse(host, &addr) == 0;
}

/* Split HOST[:PORT]; returns false when the brackets are wrong. */
static bool split(struct str authority, struct str *ret_host, struct str *ret_port)
{
	bool brackets = str_starts(authority, STR("["));
	size_t end = str_find(authority, brackets ? ']' : ':');
	if (brackets && end == authority.n) {
		return false;
	}
	*ret_host = (struct str){authority.p + brackets, end - brackets};
	*ret_port = str_from(authority, end + brackets);
	return true;
}

static bool parse_port(struct str port, uint16_t *ret_port)
{
	uint64_t number = PORT_HTTP;
	if (port.n) {
		if (port.p[0] != ':' || str_to_u64(str_from(port, 1), &number) < 0 || number < 1 ||
			number > UINT16_MAX) {
			return false;
		}
	}
	*ret_port = (uint16_t)number;
	return true;
}

static bool parse_authority(struct str authority, struct endpoint *endpoint)
{
	struct str host;
	struct str port;
	struct ipaddr addr;
	if (!split(authority, &host, &port) || host.n >= sizeof endpoint->host) {
		return false;
	}
	endpoint->is_ipv6 = host.p != authority.p;
	bool fine = endpoint->is_ipv6
			    ? str_find(host, ':') < host.n && ipaddr_parse(host, &addr) == 0
			    : is_host(host);
	if (!fine || !parse_port(port, &endpoint->port)) {
		return false;
	}
	memcpy(endpoint->host, host.p, host.n);
	endpoint->host[host.n] = '\0';
	return true;
}

int endpoint_parse(struct str url, struct endpoint *ret_endpoint, struct diag *diag)
{
	struct str scheme = STR("http://");
	struct endpoint endpoint = {0};
	bool fine = url.n > scheme.n && str_eq_nocase((struct str){url.p, scheme.n}, scheme);
	if (fine) {
		struct str rest = str_from(url, scheme.n);
		rest.n -= rest.p[rest.n - 1] == '/';
		fine = parse_authority(rest, &endpoint);
	}
	if (!fine) {
		return diag_set(diag, E_SYNTAX,
			"'%.*s' is no endpoint; allowed is http://HOST[:PORT]", STR_FMT(url));
	}
	*ret_endpoint = endpoint;
	return 0;
}

void endpoint_authority(const struct endpoint *endpoint, char ret_text[ENDPOINT_URL_BYTES])
{
	const char *open = endpoint->is_ipv6 ? "[" : "";
	const char *close = endpoint->is_ipv6 ? "]" : "";
	char port[8] = "";
	if (endpoint->port != PORT_HTTP) {
		(void)snprintf(port, sizeof port, ":%u", endpoint->port); /* five digits fit */
	}
	(void)snprintf(ret_text, ENDPOINT_URL_BYTES, "%s%s%s%s", open, endpoint->host, close,
		port); /* the host has its own limit */
}

int endpoint_path(struct str path, char ret_path[ENDPOINT_PATH_BYTES], struct diag *diag)
{
	struct str base = path.n && path.p[0] == '/' ? STR_EMPTY : STR("/latest/");
	if (path.n == 0) {
		return diag_set(diag, E_SYNTAX, "the path is empty");
	}
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] <= ' ' || path.p[i] > '~') {
			return diag_set(diag, E_SYNTAX,
				"the path has a byte that is not visible ASCII; write it as %%%02X",
				(unsigned char)path.p[i]);
		}
	}
	if (base.n + path.n >= ENDPOINT_PATH_BYTES) {
		return diag_set(
			diag, E_LIMIT, "the path is longer than %d bytes", ENDPOINT_PATH_BYTES - 1);
	}
	if (base.n) {
		memcpy(ret_path, base.p, base.n);
	}
	memcpy(ret_path + base.n, path.p, path.n);
	ret_path[base.n + path.n] = '\0';
	return 0;
}
