/*
 * signer - signs identity documents on a thread of its own.
 *
 * Layer:   daemon
 * Threads: signer_want() is for workers and never blocks; the rest for the thread that owns it
 * Memory:  signer_new/free
 * Secrets: uses the signing key
 * Limits:  one job an instance
 * Spec:    docs/protocol.md#identity-documents
 *
 * An RSA signature takes about as long as a thousand requests, so a worker hands the work over and
 * parks the connection; when it is done all workers are woken.
 */
#ifndef TELLTALE_DAEMON_SIGNER_H
#define TELLTALE_DAEMON_SIGNER_H

#include "base/crypto.h"
#include "metadata/registry.h"

struct signer;

/* on_done is called on the signer's thread after a job or a few. Returns 0, -errno or -ENOMEM. */
MUST_CHECK int signer_new(struct registry *registry, struct crypto_signer *key,
	void (*on_done)(void *ctx), void *ctx, struct signer **ret_signer);

/* Ends the thread; jobs that were not begun are dropped. */
void signer_free(struct signer *signer);

/* Sign the entry's document, if that is not under way. */
void signer_want(struct signer *signer, struct entry *entry, struct str document);

#endif
