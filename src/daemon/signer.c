#include "daemon/signer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"

#define JOBS_A_WAKE 16

/* One document to sign. Lifetime: from signer_want() until it is signed. */
struct job {
	struct job *next;
	struct entry *entry; /* held */
	struct str document; /* behind the struct */
};

struct signer {
	struct registry *registry;
	struct crypto_signer *key;
	void (*on_done)(void *ctx);
	void *ctx;
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop;
	_Atomic(struct job *) jobs; /* pushed by workers, taken whole by the signer */
};

static void release(struct job *job)
{
	atomic_fetch_sub_explicit(&job->entry->holds, 1, memory_order_release);
	free(job);
}

/* A job that brought nothing: the next request may ask again. */
static void drop(struct job *job)
{
	atomic_store_explicit(&job->entry->signing, false, memory_order_release);
	release(job);
}

void signer_want(struct signer *signer, struct entry *entry, struct str document)
{
	if (atomic_exchange_explicit(&entry->signing, true, memory_order_acq_rel)) {
		return;
	}
	struct job *job = malloc(sizeof *job + document.n);
	if (!job) {
		atomic_store_explicit(&entry->signing, false, memory_order_release);
		return; /* the connection waits for its time limit */
	}
	atomic_fetch_add_explicit(&entry->holds, 1, memory_order_relaxed);
	job->entry = entry;
	job->document = (struct str){(char *)(job + 1), document.n};
	memcpy(job + 1, document.p, document.n);
	job->next = atomic_load_explicit(&signer->jobs, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&signer->jobs, &job->next, job, memory_order_release, memory_order_relaxed)) {
	}
	const uint64_t one = 1;
	(void)!write(signer->wake_fd, &one, sizeof one); /* full means that it is awake already */
}

static struct signed_document *sign(struct crypto_signer *key, struct str document)
{
	CLEANUP(buf_done) struct buf signature = BUF_EMPTY;
	CLEANUP(buf_done) struct buf pkcs7 = BUF_EMPTY;
	if (crypto_sign(key, document, &signature) < 0 ||
		crypto_sign_pkcs7(key, document, &pkcs7) < 0) {
		return NULL;
	}
	struct signed_document *out = malloc(sizeof *out + document.n + signature.n + pkcs7.n);
	if (!out) {
		return NULL;
	}
	char *at = (char *)(out + 1);
	memcpy(at, document.p, document.n);
	out->document = (struct str){at, document.n};
	at += document.n;
	memcpy(at, signature.p, signature.n);
	out->signature = (struct str){at, signature.n};
	at += signature.n;
	memcpy(at, pkcs7.p, pkcs7.n);
	out->pkcs7 = (struct str){at, pkcs7.n};
	return out;
}

static void work(struct signer *signer, struct job *job)
{
	struct signed_document *document = sign(signer->key, job->document);
	if (document) {
		registry_signed(
			signer->registry, job->entry, document); /* it may be asked again now */
		release(job);
	} else {
		LOG(LOG_ERROR, "daemon", "an identity document could not be signed",
			LOG_INT("bytes", job->document.n));
		drop(job);
	}
}

/* Workers push at the front; who asked first is served first. */
static struct job *take_jobs(struct signer *signer)
{
	struct job *job = atomic_exchange_explicit(&signer->jobs, NULL, memory_order_acquire);
	struct job *first = NULL;
	while (job) {
		struct job *next = job->next;
		job->next = first;
		first = job;
		job = next;
	}
	return first;
}

/*
 * Sign them all. Each wake-up asks every parked request again, so there is one for a handful of jobs:
 * a thousand guests that boot at once would else ask half a million times.
 */
static void work_all(struct signer *signer, struct job *job)
{
	for (unsigned done = 1; job; done++) {
		struct job *next = job->next;
		if (atomic_load_explicit(&signer->stop, memory_order_acquire)) {
			drop(job);
		} else {
			work(signer, job);
			if (!next || done % JOBS_A_WAKE == 0) {
				signer->on_done(signer->ctx);
			}
		}
		job = next;
	}
}

static void *run(void *ctx)
{
	struct signer *signer = ctx;
	while (!atomic_load_explicit(&signer->stop, memory_order_acquire)) {
		uint64_t count;
		(void)!read(signer->wake_fd, &count, sizeof count); /* waits for work */
		work_all(signer, take_jobs(signer));
	}
	return NULL;
}

int signer_new(struct registry *registry, struct crypto_signer *key, void (*on_done)(void *ctx),
	void *ctx, struct signer **ret_signer)
{
	struct signer *signer = calloc(1, sizeof *signer);
	if (!signer) {
		return -ENOMEM;
	}
	*signer = (struct signer){.registry = registry, .key = key, .on_done = on_done, .ctx = ctx};
	signer->wake_fd = eventfd(0, EFD_CLOEXEC);
	int rc = signer->wake_fd < 0 ? -errno : -pthread_create(&signer->thread, NULL, run, signer);
	if (rc < 0) {
		if (signer->wake_fd >= 0) {
			close(signer->wake_fd);
		}
		free(signer);
		return rc;
	}
	*ret_signer = signer;
	return 0;
}

void signer_free(struct signer *signer)
{
	if (!signer) {
		return;
	}
	const uint64_t one = 1;
	atomic_store_explicit(&signer->stop, true, memory_order_release);
	(void)!write(signer->wake_fd, &one, sizeof one); /* an eventfd of 64 bits is never full */
	pthread_join(signer->thread, NULL);
	work_all(signer, take_jobs(signer)); /* stopped: they are dropped */
	close(signer->wake_fd);
	free(signer);
}
