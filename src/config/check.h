/*
 * check - what a single text in a configuration must look like.
 *
 * Layer:   config (pure)
 * Threads: no state
 * Memory:  texts are borrowed
 * Secrets: none
 * Limits:  in each function
 * Spec:    telltale.yaml(5)
 */
#ifndef TELLTALE_CONFIG_CHECK_H
#define TELLTALE_CONFIG_CHECK_H

#include "base/str.h"

/*
 * UTF-8 on one line: no control characters and nothing that YAML takes for the end of a line, so
 * that a text reads the same wherever it is written. check_lines() lets LF and TAB pass.
 */
bool check_line(struct str text);
bool check_lines(struct str text);

/* How many characters a text of check_lines() has. */
size_t check_characters(struct str text);

/* One of the words of "one|two|three". */
bool check_choice(struct str text, const char *words);

/* check_line() without spaces. */
bool check_word(struct str text);

bool check_ipv4(struct str text);
bool check_ipv6(struct str text);
bool check_prefix(struct str text); /* an address, or ADDRESS/LENGTH */
bool check_mac(struct str text);
bool check_time(struct str text); /* ISO 8601 with a time zone */

bool check_instance_id(struct str text);  /* i- and 8 or 17 hex digits */
bool check_image_id(struct str text);     /* ami- and 8 to 17 hex digits */
bool check_account(struct str text);      /* 12 digits */
bool check_region(struct str text);       /* a letter, then letters, digits, - and _; up to 64 */
bool check_role_name(struct str text);    /* letters, digits, + = , . @ _ -; up to 64 */
bool check_interface(struct str text);    /* as Linux names them; up to 15 */
bool check_public_key(struct str text);   /* TYPE BASE64 [COMMENT], as in OpenSSH's .pub files */
bool check_shown_tag(struct str key);     /* can be a name below tags/instance */
bool check_path_segment(struct str name); /* one name in a path below meta-data */

#endif
