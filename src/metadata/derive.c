#include "metadata/derive.h"

#include "base/crypto.h"

static const char hex[] = "0123456789abcdef";

/* SHA-256 over name, NUL, label. Hashing a short text does not fail; if it did, zeros are derived. */
static void digest(struct str name, const char *label, unsigned char ret[CRYPTO_SHA256_BYTES])
{
	char memory[512];
	struct buf text = buf_fixed(memory, sizeof memory);
	buf_add(&text, name);
	buf_add_char(&text, '\0');
	buf_add(&text, str_of(label));
	if (crypto_sha256(buf_str(&text), ret) < 0) {
		memset(ret, 0, CRYPTO_SHA256_BYTES);
	}
}

void derive_id(struct buf *out, const char *prefix, struct str name)
{
	unsigned char bytes[CRYPTO_SHA256_BYTES];
	digest(name, prefix, bytes);
	buf_add(out, str_of(prefix));
	buf_add_char(out, '0'); /* as all long ids that are handed out today begin */
	for (size_t i = 1; i < DERIVE_ID_HEX; i++) {
		buf_add_char(out, hex[bytes[i] & 15]);
	}
}

void derive_mac(struct buf *out, struct str name)
{
	unsigned char bytes[CRYPTO_SHA256_BYTES];
	digest(name, "mac", bytes);
	bytes[0] = 0x02;
	for (size_t i = 0; i < 6; i++) {
		if (i) {
			buf_add_char(out, ':');
		}
		buf_add_char(out, hex[bytes[i] >> 4]);
		buf_add_char(out, hex[bytes[i] & 15]);
	}
}

/* In the last byte of a private address. */
#define FIRST_HOST 4
#define LAST_HOST  254

struct ipaddr derive_private_address(struct str name)
{
	unsigned char bytes[CRYPTO_SHA256_BYTES];
	digest(name, "private address", bytes);
	/* Not the first four and the last of a /20, which a subnet keeps for itself. */
	uint8_t last = (uint8_t)(FIRST_HOST + bytes[1] % (LAST_HOST - FIRST_HOST + 1));
	return (struct ipaddr){{[10] = 0xff, 0xff, 172, 26, bytes[0], last}};
}

void derive_next_private_address(struct ipaddr *addr)
{
	if (addr->b[15] < LAST_HOST) {
		addr->b[15]++;
		return;
	}
	addr->b[15] = FIRST_HOST;
	addr->b[14]++; /* behind 255 comes 0 */
}

void derive_key_text(struct buf *out, const char *label, struct str name, size_t n)
{
	static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned char bytes[CRYPTO_SHA256_BYTES];
	digest(name, label, bytes);
	for (size_t i = 0; i < n && i < sizeof bytes; i++) {
		buf_add_char(out, base32[bytes[i] & 31]);
	}
}

void derive_uuid(struct buf *out, const char *label, struct str name)
{
	unsigned char bytes[CRYPTO_SHA256_BYTES];
	char text[CRYPTO_UUID_BYTES];
	digest(name, label, bytes);
	crypto_uuid_text(bytes, text);
	buf_add(out, str_of(text));
}

/* "east" is e, "southeast" se, "gov" g: the first letter, and for two directions the second's too. */
static void add_direction(struct buf *out, struct str word)
{
	static const struct str second[] = {STR_INIT("east"), STR_INIT("west")};
	buf_add(out, (struct str){word.p, word.n ? 1 : 0});
	for (size_t i = 0; i < sizeof second / sizeof second[0]; i++) {
		if (word.n > second[i].n && str_ends(word, second[i])) {
			buf_add(out, (struct str){second[i].p, 1});
		}
	}
}

void derive_zone_id(struct buf *out, struct str region, struct str zone)
{
	struct str rest = region;
	size_t dash = str_find(rest, '-');
	buf_add(out, (struct str){rest.p, dash});
	while (dash < rest.n) {
		rest = str_from(rest, dash + 1);
		dash = str_find(rest, '-');
		if (dash < rest.n) {
			add_direction(out, (struct str){rest.p, dash});
		} else {
			buf_add(out, rest); /* the number */
		}
	}
	char letter = zone.n ? zone.p[zone.n - 1] : 'a';
	buf_add(out, STR("-az"));
	buf_add_u64(out, letter >= 'a' && letter <= 'z' ? (uint64_t)(letter - 'a' + 1) : 1);
}

struct str derive_partition(struct str region)
{
	return str_starts(region, STR("cn-"))       ? STR("aws-cn")
	       : str_starts(region, STR("us-gov-")) ? STR("aws-us-gov")
						    : STR("aws");
}

struct str derive_domain(struct str region)
{
	return str_starts(region, STR("cn-")) ? STR("amazonaws.com.cn") : STR("amazonaws.com");
}

static void add_dashed(struct buf *out, struct str address)
{
	for (size_t i = 0; i < address.n; i++) {
		buf_add_char(out, address.p[i] == '.' ? '-' : address.p[i]);
	}
}

void derive_private_dns(struct buf *out, struct str private_address, struct str region)
{
	buf_add(out, STR("ip-"));
	add_dashed(out, private_address);
	if (str_eq(region, STR("us-east-1"))) {
		buf_add(out, STR(".ec2.internal"));
		return;
	}
	buf_add_char(out, '.');
	buf_add(out, region);
	buf_add(out, STR(".compute.internal"));
}

void derive_public_dns(struct buf *out, struct str public_address, struct str region)
{
	buf_add(out, STR("ec2-"));
	add_dashed(out, public_address);
	if (str_eq(region, STR("us-east-1"))) {
		buf_add(out, STR(".compute-1."));
	} else {
		buf_add_char(out, '.');
		buf_add(out, region);
		buf_add(out, STR(".compute."));
	}
	buf_add(out, derive_domain(region));
}
