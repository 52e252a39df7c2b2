/*
 * facts - the table of what an instance may say about itself.
 *
 * Layer:   config
 * Threads: constant
 * Memory:  none
 * Secrets: rows of a role's keys are marked secret
 * Limits:  FACTS_…; INSTANCE_… of metadata/instance.h, OVERRIDE_… of config/override.h
 * Spec:    telltale.yaml(5), section INSTANCES; names as in Lightsail's API where it has the field
 */
#ifndef TELLTALE_CONFIG_FACTS_H
#define TELLTALE_CONFIG_FACTS_H

#include "config/field.h"

#define FACTS_TAGS_MAX            50
#define FACTS_TAG_KEY_CHARACTERS  128
#define FACTS_TAG_TEXT_CHARACTERS 256
#define FACTS_KEYS_MAX            64
#define FACTS_KEY_BYTES           16384
#define FACTS_TOKEN_BYTES         4096 /* ROLE_TEXT_BYTES of metadata/role.h */

/* For field_map(). */
extern const struct field facts_row;

#endif
