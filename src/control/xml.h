/*
 * xml - write a JSON tree as AWS's XML protocols have it.
 *
 * Layer:   control (pure: no fds, no clock, no log)
 * Threads: no state
 * Memory:  appended to the caller's buffer; everything else is borrowed for the call
 * Secrets: none
 * Limits:  none of its own; as deep as the tree
 * Spec:    XML 1.0, 2.2 Char; botocore's parsers.py, EC2QueryParser and QueryParser
 *
 *	{"Id": "a", "Tags": [{"Key": "k"}, {"Key": "l"}], "Sum": 1.0, "None": [], "Left": null}
 *		<Id>a</Id><Tags><item><Key>k</Key></item><item><Key>l</Key></item></Tags><Sum>1.0</Sum><None/>
 */
#ifndef TELLTALE_CONTROL_XML_H
#define TELLTALE_CONTROL_XML_H

#include <jansson.h>

#include "base/buf.h"

/* What an element of a list is called. */
#define XML_ITEM_EC2   STR("item")
#define XML_ITEM_QUERY STR("member") /* CloudWatch, STS */

/* A list of this name is not an element itself: its own are, so that a map's entries stand side by side. */
#define XML_ENTRY "entry"

/*
 * Append `<?xml …?>`, a line's end, and the root element with the content.
 *
 * root           its name
 * namespace_url  its xmlns; empty: none, as in EC2's errors
 * content        an object: its members become elements, in their order. Those of its objects too; a list
 *                is one element with one of the name list_item for each of its own, but see XML_ENTRY. Null is left out;
 *                what is empty is <Name/>. A real number has a point and no exponent.
 *
 * Names are our own, never a caller's: one that is not a plain XML name ends the process. Texts may hold
 * anything; what XML can't is U+FFFD.
 *
 * Returns buf_status(out).
 */
MUST_CHECK int xml_document(struct buf *out, struct str root, struct str namespace_url,
	const json_t *content, struct str list_item);

#endif
