/*
 * view_ec2 - an instance as EC2's API shows it.
 *
 * Layer:   control
 * Threads: under the registrar's lock
 * Memory:  json_t results belong to the caller; texts live as long as the view
 * Secrets: none are shown; a specification that is read is freed, not wiped, by Jansson
 * Limits:  none
 * Spec:    docs/control.md#ec2; botocore's model ec2/2016-11-15
 *
 * What it says is what the metadata service tells the instance itself, overrides included: it reads
 * the same tree. Only the id is the one by which the control interfaces find it.
 */
#ifndef TELLTALE_CONTROL_VIEW_EC2_H
#define TELLTALE_CONTROL_VIEW_EC2_H

#include "control/view.h"
#include "metadata/contents.h"
#include "metadata/tree.h"

/* EC2's InstanceState. */
#define VIEW_EC2_CODE_RUNNING 16
#define VIEW_EC2_CODE_STOPPED 80

/* What an instance says of itself. Those up to VIEW_EC2_VPC_ID take no tree unless it has overrides. */
enum view_ec2_fact {
	VIEW_EC2_ARCHITECTURE,
	VIEW_EC2_IMAGE_ID,
	VIEW_EC2_INSTANCE_TYPE,
	VIEW_EC2_PRIVATE_ADDRESS,
	VIEW_EC2_PRIVATE_DNS,
	VIEW_EC2_PUBLIC_ADDRESS,
	VIEW_EC2_PUBLIC_DNS,
	VIEW_EC2_ZONE,
	VIEW_EC2_RESERVATION_ID,
	VIEW_EC2_SUBNET_ID,
	VIEW_EC2_VPC_ID,
	VIEW_EC2_DEVICE_NUMBER,
	VIEW_EC2_GROUP_IDS,
	VIEW_EC2_GROUP_NAME, /* of the placement group */
	VIEW_EC2_GROUPS,
	VIEW_EC2_HIBERNATION,
	VIEW_EC2_INTERFACE_ID,
	VIEW_EC2_IPV6,
	VIEW_EC2_IPV6S,
	VIEW_EC2_LAUNCH_INDEX,
	VIEW_EC2_LIFE_CYCLE,
	VIEW_EC2_MAC,
	VIEW_EC2_MONITORING,
	VIEW_EC2_OWNER_ID,
	VIEW_EC2_PRODUCT_CODES,
	VIEW_EC2_PROFILE, /* JSON */
	VIEW_EC2_ROOT_DEVICE,
	VIEW_EC2_FACTS,
};

#define VIEW_EC2_DERIVED  3 /* VIEW_EC2_RESERVATION_ID to VIEW_EC2_VPC_ID */
#define VIEW_EC2_ID_BYTES 32

/* An instance while it is looked at: what that takes is made when it is first needed. */
struct view_ec2 {
	const struct instance *instance;
	int status; /* 0, or -ENOMEM: then nothing that it says counts */
	json_t *spec_;
	struct buf text_;
	struct contents_facts facts_; /* if text_ has something */
	char derived_[VIEW_EC2_DERIVED][VIEW_EC2_ID_BYTES];
	struct tree *own_; /* one that the instance does not have itself */
	const struct tree *tree_;
	bool treeless_; /* it can't have one */
};

static inline struct view_ec2 view_ec2_of(const struct instance *instance)
{
	return (struct view_ec2){.instance = instance};
}

void view_ec2_done(struct view_ec2 *view);

/* p NULL: it says nothing of that. */
struct str view_ec2_fact(struct view_ec2 *view, enum view_ec2_fact fact);

/*
 * A tag's value; p NULL: there is none. Where Name is no tag, it is the instance's name: that is
 * what EC2's tools show and look for.
 */
struct str view_ec2_tag(struct view_ec2 *view, struct str key);

/* All of them, [{"key": …, "value": …}] in bytewise order of their keys. NULL when out of memory. */
json_t *view_ec2_tags(struct view_ec2 *view);

/* The first of its public keys; p NULL: none. */
struct str view_ec2_key_name(struct view_ec2 *view);

/* {"code": 16, "name": "running"}. NULL when out of memory. */
json_t *view_ec2_state(const struct instance *instance);

/*
 * For registrar_list(): a Reservation, an InstanceStatus, the tags as TagDescriptions with the
 * instance's name around them, and the answer of ModifyInstanceMetadataOptions. Each has `name`, the
 * instance's, for the next page, which is not for the reply. NULL when out of memory.
 */
json_t *view_ec2_reservation(const struct registry *registry, const struct entry *entry);
json_t *view_ec2_status(const struct registry *registry, const struct entry *entry);
json_t *view_ec2_descriptions(const struct registry *registry, const struct entry *entry);
json_t *view_ec2_options(const struct registry *registry, const struct entry *entry);

#endif
