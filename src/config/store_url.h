/*
 * store_url - what can be seen of a store's URL without opening it.
 *
 * Layer:   config (pure)
 * Threads: no state
 * Memory:  appended to the caller's buffer
 * Secrets: a URL may have a password; what is shown has not
 * Limits:  none
 * Spec:    PostgreSQL, "Connection URIs": postgresql://[user[:password]@]hosts[/database][?parameters]
 */
#ifndef TELLTALE_CONFIG_STORE_URL_H
#define TELLTALE_CONFIG_STORE_URL_H

#include "base/buf.h"

/* Whether it is a database that several hosts share. */
bool store_url_is_fleet(struct str url);

/* Append the URL with "***" in place of each password. */
void store_url_show(struct str url, struct buf *out);

#endif
