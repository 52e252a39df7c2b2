#include "store/postgres_channel.h"

#include <stdio.h>

#include "base/crypto.h"

/* A name may be of any bytes and any length, a channel not. */
int postgres_channel(struct str host, char ret_channel[POSTGRES_CHANNEL_BYTES])
{
	unsigned char digest[CRYPTO_SHA256_BYTES];
	struct str text = {host.n ? host.p : "", host.n};
	TRY(crypto_sha256(text, digest));
	int n = snprintf(ret_channel, POSTGRES_CHANNEL_BYTES, "telltale_");
	for (int i = 0; i < 16; i++) {
		n += snprintf(ret_channel + n, 3, "%02x", digest[i]);
	}
	return 0;
}
