/*
 * Must reach: node_parse, node_parse_items, field_map, override_read, options_apply, base64_decode,
 * spec_from_text, spec_merge, config_from_text, setting_take, config_to_json.
 *
 * The text is from no file, so whatever it names, nothing is opened.
 */
#include <stdlib.h>

#include "config/config.h"
#include "config/node.h"
#include "config/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* One line, whatever the text holds. */
static void must_explain(const struct diag *diag)
{
	must(diag->text[0] != '\0');
	for (const char *c = diag->text; *c; c++) {
		must((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
}

static void try_node(struct str text)
{
	struct arena arena = ARENA_EMPTY;
	struct node *root = NULL;
	struct diag diag = {{0}};
	if (node_parse(&arena, "f", text, &root, &diag) < 0) {
		must(!root);
		must_explain(&diag);
	}
	arena_done(&arena);
}

/* What was accepted is accepted again, and is the same. */
static void must_read_again(const json_t *specs)
{
	struct diag diag;
	json_t *again = NULL;
	char *text = json_dumps(specs, JSON_COMPACT);
	must(text && spec_from_text(str_of(text), NULL, &again, &diag) == 0);
	must(json_equal(again, specs));
	json_decref(again);
	free(text);
}

/* The second instance is what the file says now, the first what it said before. */
static void try_merge(const json_t *specs)
{
	const json_t *before = json_array_get(specs, 0), *now = json_array_get(specs, 1);
	json_t *effective = json_deep_copy(before);
	bool changed;
	must(effective && spec_merge(effective, before, now, &changed) == 0);
	must(json_equal(effective, now) && changed);
	json_decref(effective);
}

static void try_spec(struct str text)
{
	struct diag diag = {{0}};
	json_t *specs = NULL;
	if (spec_from_text(text, NULL, &specs, &diag) < 0) {
		must(!specs);
		must_explain(&diag);
		return;
	}
	must_read_again(specs);
	if (json_array_size(specs) > 1) {
		try_merge(specs);
	}
	json_decref(specs);
}

static void try_config(struct str text)
{
	const struct config_flags flags = {.socket = "/run/s", .store = "sqlite:///s"};
	struct diag diag = {{0}};
	struct config *config = NULL;
	if (config_from_text(&flags, text, &config, &diag) < 0) {
		must(!config);
		must_explain(&diag);
		return;
	}
	json_t *shown = config_to_json(config, config);
	must(shown && config_restart_needed(config, config, &diag) == 0);
	json_decref(shown);
	config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = {(const char *)data, size};
	try_node(text);
	try_spec(text);
	try_config(text);
	return 0;
}
