/* Unit tests of config/spec.h: instances, from text to checked JSON, and how file and store merge. */
#include "config_help.h"

#include <sys/stat.h>

#include "config/check.h"
#include "config/facts.h"
#include "config/override.h"
#include "config/spec.h"
#include "metadata/instance.h"

/* --- check ------------------------------------------------------------------------------------- */

static void test_single_texts(void **state)
{
	(void)state;
	static const struct {
		int line;
		bool (*check)(struct str text);
		struct str text;
		bool right;
	} cases[] = {
		{__LINE__, check_line, STR_INIT(""), true},
		{__LINE__, check_line, STR_INIT("a b"), true},
		{__LINE__, check_line, STR_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), true},
		{__LINE__, check_line, STR_INIT("a\0b"), false},
		{__LINE__, check_line, STR_INIT("a\nb"), false},
		{__LINE__, check_line, STR_INIT("a\tb"), false},
		{__LINE__, check_line, STR_INIT("\x1b[0m"), false},
		{__LINE__, check_line, STR_INIT("\x7f"), false},
		{__LINE__, check_line, STR_INIT("\xc2\x85"), false},
		{__LINE__, check_line, STR_INIT("\xc2\xa0"), true},
		{__LINE__, check_line, STR_INIT("\xe2\x80\xa8"), false},
		{__LINE__, check_line, STR_INIT("\xe2\x80\xa9"), false},
		{__LINE__, check_line, STR_INIT("\xef\xbb\xbf"), false},
		{__LINE__, check_line, STR_INIT("\xef\xbf\xbe"), false},
		{__LINE__, check_line, STR_INIT("\xef\xbf\xbd"), true},
		{__LINE__, check_line, STR_INIT("\x80"), false},
		{__LINE__, check_line, STR_INIT("\xc3"), false},
		{__LINE__, check_line, STR_INIT("\xc3("), false},
		{__LINE__, check_line, STR_INIT("\xc0\x80"), false},
		{__LINE__, check_line, STR_INIT("\xe0\x80\x80"), false},
		{__LINE__, check_line, STR_INIT("\xed\xa0\x80"), false},
		{__LINE__, check_line, STR_INIT("\xf0\x80\x80\x80"), false},
		{__LINE__, check_line, STR_INIT("\xf4\x90\x80\x80"), false},
		{__LINE__, check_line, STR_INIT("\xf5\x80\x80\x80"), false},
		{__LINE__, check_lines, STR_INIT("a\n\tb\n"), true},
		{__LINE__, check_lines, STR_INIT("a\rb"), false},
		{__LINE__, check_lines, STR_INIT("a\0"), false},
		{__LINE__, check_word, STR_INIT(""), false},
		{__LINE__, check_word, STR_INIT("a b"), false},
		{__LINE__, check_word, STR_INIT("a-b"), true},
		{__LINE__, check_ipv4, STR_INIT("10.0.0.1"), true},
		{__LINE__, check_ipv4, STR_INIT("10.0.0"), false},
		{__LINE__, check_ipv4, STR_INIT("::ffff:10.0.0.1"), false},
		{__LINE__, check_ipv4, STR_INIT("10.0.0.0/8"), false},
		{__LINE__, check_ipv6, STR_INIT("2001:db8::1"), true},
		{__LINE__, check_ipv6, STR_INIT("::ffff:10.0.0.1"), false},
		{__LINE__, check_ipv6, STR_INIT("10.0.0.1"), false},
		{__LINE__, check_prefix, STR_INIT("10.0.0.0/8"), true},
		{__LINE__, check_prefix, STR_INIT("10.0.0.1/8"), false},
		{__LINE__, check_prefix, STR_INIT("2001:db8::/32"), true},
		{__LINE__, check_mac, STR_INIT("02:aa:BB:cc:dd:01"), true},
		{__LINE__, check_mac, STR_INIT("02-aa-bb-cc-dd-01"), false},
		{__LINE__, check_time, STR_INIT("2030-01-02T03:04:05Z"), true},
		{__LINE__, check_time, STR_INIT("2030-01-02 03:04:05"), false},
		{__LINE__, check_instance_id, STR_INIT("i-01234567"), true},
		{__LINE__, check_instance_id, STR_INIT("i-0123456789abcdef0"), true},
		{__LINE__, check_instance_id, STR_INIT("i-0123456"), false},
		{__LINE__, check_instance_id, STR_INIT("i-0123456789abcdef01"), false},
		{__LINE__, check_instance_id, STR_INIT("i-0123456G"), false},
		{__LINE__, check_instance_id, STR_INIT("j-01234567"), false},
		{__LINE__, check_instance_id, STR_INIT("i"), false},
		{__LINE__, check_image_id, STR_INIT("ami-01234567"), true},
		{__LINE__, check_image_id, STR_INIT("ami-0123456789abcdef0"), true},
		{__LINE__, check_image_id, STR_INIT("ami-0123456"), false},
		{__LINE__, check_image_id, STR_INIT("ami-"), false},
		{__LINE__, check_account, STR_INIT("000000000000"), true},
		{__LINE__, check_account, STR_INIT("00000000000"), false},
		{__LINE__, check_account, STR_INIT("00000000000a"), false},
		{__LINE__, check_region, STR_INIT("us-east-1"), true},
		{__LINE__, check_region, STR_INIT("RegionOne"), true},
		{__LINE__, check_region, STR_INIT("1-us"), false},
		{__LINE__, check_region, STR_INIT(""), false},
		{__LINE__, check_region, STR_INIT("us/east"), false},
		{__LINE__, check_role_name, STR_INIT("AmazonLightsailInstanceRole"), true},
		{__LINE__, check_role_name, STR_INIT("a+b=c,d.e@f_g-h"), true},
		{__LINE__, check_role_name, STR_INIT(".."), false},
		{__LINE__, check_role_name, STR_INIT("a b"), false},
		{__LINE__, check_role_name, STR_INIT(""), false},
		{__LINE__, check_interface, STR_INIT("tap-web1"), true},
		{__LINE__, check_interface, STR_INIT("123456789012345"), true},
		{__LINE__, check_interface, STR_INIT("1234567890123456"), false},
		{__LINE__, check_interface, STR_INIT("a/b"), false},
		{__LINE__, check_interface, STR_INIT(".."), false},
		{__LINE__, check_public_key, STR_INIT("ssh-rsa AAAAB3NzaC1yc2E="), true},
		{__LINE__, check_public_key, STR_INIT("ssh-rsa  AAAAB3NzaC1yc2E= a b"), true},
		{__LINE__, check_public_key, STR_INIT("ssh-rsa"), false},
		{__LINE__, check_public_key, STR_INIT("ssh-rsa "), false},
		{__LINE__, check_public_key, STR_INIT("ssh-rsa AAAAB3=NzaC1"), false},
		{__LINE__, check_public_key, STR_INIT("ssh-rsa BBBB"), false},
		{__LINE__, check_public_key, STR_INIT("rsa AAAAB3NzaC1yc2E="), false},
		{__LINE__, check_public_key, STR_INIT("from=\"x\" ssh-rsa AAAAB3NzaC1yc2E="),
			false},
		{__LINE__, check_public_key, STR_INIT("ssh-rsa AAAA\nssh-rsa AAAA"), false},
		{__LINE__, check_shown_tag, STR_INIT("aZ09+-=.,_:@"), true},
		{__LINE__, check_shown_tag, STR_INIT("..."), true},
		{__LINE__, check_shown_tag, STR_INIT("."), false},
		{__LINE__, check_shown_tag, STR_INIT(".."), false},
		{__LINE__, check_shown_tag, STR_INIT("_index"), false},
		{__LINE__, check_shown_tag, STR_INIT("a b"), false},
		{__LINE__, check_shown_tag, STR_INIT("a/b"), false},
		{__LINE__, check_shown_tag, STR_INIT("\xc3\xa9"), false},
		{__LINE__, check_shown_tag, STR_INIT(""), false},
		{__LINE__, check_path_segment, STR_INIT("02:aa:bb"), true},
		{__LINE__, check_path_segment, STR_INIT(""), false},
		{__LINE__, check_path_segment, STR_INIT("."), false},
		{__LINE__, check_path_segment, STR_INIT(".."), false},
		{__LINE__, check_path_segment, STR_INIT("a/b"), false},
		{__LINE__, check_path_segment, STR_INIT("a\n"), false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (cases[i].check(cases[i].text) != cases[i].right) {
			fail_msg("line %d: \"%.*s\"", cases[i].line, STR_FMT(cases[i].text));
		}
	}
}

static void test_choices(void **state)
{
	(void)state;
	assert_true(check_choice(STR("a"), "a"));
	assert_true(check_choice(STR("one"), "one|two"));
	assert_true(check_choice(STR("two"), "one|two"));
	assert_false(check_choice(STR("on"), "one|two"));
	assert_false(check_choice(STR("one|two"), "one|two"));
	assert_false(check_choice(STR(""), "one|two"));
	assert_int_equal(check_characters(STR("a\xc3\xa9\xf0\x9f\x98\x80")), 3);
}

/* --- from text --------------------------------------------------------------------------------- */

#define FAULTS VECTORS "instance-faults.txt"
#define GOOD   VECTORS "instance-good.txt"

static void on_fault(const struct config_case *one)
{
	struct diag diag = {{0}};
	json_t *specs = NULL;
	char *want = filled_in(one->result, FAULTS);
	int rc = spec_from_text(one->text, FAULTS, &specs, &diag);
	if (rc >= 0 || specs || strlen(diag.text) < sizeof FAULTS ||
		strcmp(diag.text + sizeof FAULTS, want) != 0) {
		fail_msg("%.*s: %d \"%s\" instead of \"" FAULTS ":%s\"", STR_FMT(one->name), rc,
			diag.text, want);
	}
	free(want);
	/* Nobody needs to listen. */
	assert_int_equal(spec_from_text(one->text, FAULTS, &specs, NULL), rc);
}

static void test_faults_are_named_with_their_place(void **state)
{
	(void)state;
	each_case(FAULTS, on_fault);
}

/* Written as JSON and read again it is the same; so what the store holds can be put again. */
static void assert_reads_again(const char *what, const json_t *specs)
{
	struct diag diag = {{0}};
	json_t *again = NULL;
	char *text = json_dumps(specs, JSON_COMPACT);
	int rc = spec_from_text(str_of(text), NULL, &again, &diag);
	if (rc < 0) {
		fail_msg("%s: again: %s", what, diag.text);
	}
	assert_same_json(what, __LINE__, again, specs);
	json_decref(again);
	free(text);
}

static void on_good(const struct config_case *one)
{
	struct diag diag = {{0}};
	json_t *specs = NULL;
	char *name = str_dup(one->name);
	json_t *want = json_loadb(one->result.p, one->result.n, 0, NULL);
	if (!want || spec_from_text(one->text, GOOD, &specs, &diag) < 0) {
		fail_msg("%s: %s", name, diag.text);
	}
	assert_same_json(name, __LINE__, specs, want);
	assert_reads_again(name, specs);
	json_decref(want);
	json_decref(specs);
	free(name);
}

static void test_right_instances_become_specifications(void **state)
{
	(void)state;
	each_case(GOOD, on_good);
}

/* A text with a part repeated n times in its middle. */
static char *repeated(const char *before, const char *part, size_t n, const char *after)
{
	CLEANUP(buf_done) struct buf out = BUF_EMPTY;
	buf_add(&out, str_of(before));
	for (size_t i = 0; i < n; i++) {
		buf_add(&out, str_of(part));
	}
	buf_add(&out, str_of(after));
	char *p = buf_take(&out);
	assert_non_null(p);
	return p;
}

static void test_limits_and_one_more(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *before, *part, *after;
		size_t n;
		int at, more;
	} cases[] = {
		{__LINE__, "{name: web-1, userData: ", "x", "}", 16384, 0, E_LIMIT},
		{__LINE__, "{name: web-1, userData: \"a", "\xc3\xa9", "b\"}", 8191, 0, E_LIMIT},
		{__LINE__, "{name: web-1, userDataBase64: ", "eHh4", "eA==}", 5461, 0, E_LIMIT},
		{__LINE__, "{name: web-1, tags: {", "k", ": v}}", 128, 0, E_SYNTAX},
		{__LINE__, "{name: web-1, tags: {", "\xc3\xa9", ": v}}", 128, 0, E_SYNTAX},
		{__LINE__, "{name: web-1, tags: {k: ", "v", "}}", 256, 0, E_LIMIT},
		{__LINE__, "{name: web-1, tags: {k: ", "\xc3\xa9", "}}", 256, 0, E_LIMIT},
		{__LINE__, "{name: a", "b", "}", 254, 0, E_SYNTAX},
		{__LINE__, "{name: web-1, match: {addresses: [", "127.0.0.1, ", "]}}", 64, 0,
			E_LIMIT},
		{__LINE__, "{name: web-1, ipv6Addresses: [", "'::1', ", "]}", 64, 0, E_LIMIT},
		{__LINE__, "{name: web-1, match: {network: ", "x", "}}", 64, 0, E_LIMIT},
		{__LINE__, "{name: web-1, match: {interface: ", "x", "}}", 15, 0, E_SYNTAX},
		{__LINE__, "{name: web-1, role: {name: ", "R", "}}", 64, 0, E_SYNTAX},
		{__LINE__, "{name: web-1, metadata: {", "a/", "b: c}}", 14, 0, E_LIMIT},
		{__LINE__, "{name: web-1, metadata: {", "a", ": c}}", 255, 0, E_SYNTAX},
		{__LINE__, "{name: web-1, metadata: {a: ", "x", "}}", TREE_VALUE_BYTES, 0, E_LIMIT},
		{__LINE__,
			"{name: web-1, role: {name: R, credentials: {accessKeyId: A, "
			"secretAccessKey: S, token: ",
			"t", "}}}", 4096, 0, E_LIMIT},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t more = 0; more < 2; more++) {
			struct diag diag = {{0}};
			json_t *specs = NULL;
			char *text = repeated(
				cases[i].before, cases[i].part, cases[i].n + more, cases[i].after);
			int rc = spec_from_text(str_of(text), "f", &specs, &diag);
			if (rc != (more ? cases[i].more : cases[i].at)) {
				fail_msg("line %d: %zu: %d %s", cases[i].line, cases[i].n + more,
					rc, diag.text);
			}
			if (rc == 0) {
				assert_reads_again("limit", specs);
			}
			json_decref(specs);
			free(text);
		}
	}
}

/* Base64 that is far too long is not even decoded. */
static void test_very_long_base64(void **state)
{
	(void)state;
	struct diag diag = {{0}};
	json_t *specs = NULL;
	char *text = repeated("{name: web-1, userDataBase64: ", "eHh4", 9000, "}");
	assert_int_equal(spec_from_text(str_of(text), "f", &specs, &diag), E_LIMIT);
	assert_string_equal(
		diag.text, "f:1:31: userDataBase64: user data is longer than 16384 bytes");
	free(text);
}

/* Maps whose keys are numbered: 50 tags, 64 keys, 1024 paths, and one more. */
static void test_numbers_of_members(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value;
		int n;
	} cases[] = {
		{"tags", "v", FACTS_TAGS_MAX},
		{"publicKeys", "ssh-rsa AAAAB3Nz", FACTS_KEYS_MAX},
		{"metadata", "v", OVERRIDE_PATHS_MAX},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (int more = 0; more < 2; more++) {
			CLEANUP(buf_done) struct buf text = BUF_EMPTY;
			json_t *specs = NULL;
			buf_add_f(&text, "name: web-1\n%s:\n", cases[i].key);
			for (int k = 0; k < cases[i].n + more; k++) {
				buf_add_f(&text, "  k%d: %s\n", k, cases[i].value);
			}
			int rc = spec_from_text(buf_str(&text), NULL, &specs, NULL);
			assert_int_equal(rc, more ? E_LIMIT : 0);
			json_decref(specs);
		}
	}
}

static void test_texts_that_are_no_text_files(void **state)
{
	(void)state;
	static const struct {
		int line;
		struct str text;
		const char *diag; /* NULL: fine */
	} cases[] = {
		{__LINE__, STR_INIT("\xef\xbb\xbfname: web-1\n"), NULL},
		{__LINE__, STR_INIT("name: web-1\r\ntags:\r\n  a: b\r\n"), NULL},
		{__LINE__, STR_INIT("name: web-1\ntags: {k: \xe9}\n"),
			"f:2:12: invalid trailing UTF-8 octet"},
		{__LINE__, STR_INIT("name: web-1\ntags: {\xc3\xa9: \xc3\xa9, b: \0}\n"),
			"f:2:17: control characters are not allowed"},
		{__LINE__, STR_INIT("\xff\xfen\0a\0m\0e\0"), "f:1:1: invalid leading UTF-8 octet"},
		{__LINE__, STR_INIT("\0"), "f:1:1: control characters are not allowed"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct diag diag = {{0}};
		json_t *specs = NULL;
		int rc = spec_from_text(cases[i].text, "f", &specs, &diag);
		if ((rc == 0) != (cases[i].diag == NULL) ||
			(rc < 0 && strcmp(diag.text, cases[i].diag) != 0)) {
			fail_msg("line %d: %d %s", cases[i].line, rc, diag.text);
		}
		json_decref(specs);
	}
}

static void test_every_start_of_a_text(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf content = BUF_EMPTY;
	read_whole(GOOD, &content);
	struct str text = buf_str(&content);
	size_t at = 0;
	while (!str_starts(str_from(text, at), STR("== everything\n"))) {
		at++;
	}
	text = str_from(text, at + sizeof "== everything");
	for (size_t n = 0; !str_starts(str_from(text, n), STR("-> ")); n++) {
		struct diag diag = {{0}};
		json_t *specs = NULL;
		int rc = spec_from_text((struct str){text.p, n}, NULL, &specs, &diag);
		assert_true(rc == 0 ? specs != NULL : specs == NULL && diag.text[0] != '\0');
		json_decref(specs);
	}
}

/* A text that is not from a file makes nothing be opened. */
static void test_text_without_a_file_names_no_files(void **state)
{
	(void)state;
	struct diag diag = {{0}};
	json_t *specs = NULL;
	assert_int_equal(spec_from_text(STR("{name: web-1, userDataFile: /etc/hostname}"), NULL,
				 &specs, &diag),
		E_SYNTAX);
	assert_string_equal(diag.text, "1:15: userDataFile: only a file may name a file");
	assert_int_equal(spec_from_text(STR("{name: web-1, role: {name: R, credentials: "
					    "{file: role.json}}}"),
				 NULL, &specs, &diag),
		E_SYNTAX);
	assert_string_equal(diag.text, "1:51: file: must be an absolute path, not \"role.json\"");
	assert_int_equal(spec_from_text(STR("{name: web-1, role: {name: R, credentials: "
					    "{file: /run/role.json}}}"),
				 NULL, &specs, &diag),
		0);
	json_decref(specs);
}

static void test_one_line_whatever_the_text_holds(void **state)
{
	(void)state;
	struct diag diag = {{0}};
	json_t *specs = NULL;
	assert_int_equal(
		spec_from_text(STR("{name: web-1, \"a\\nb\\e[2J\": 1}"), "f", &specs, &diag),
		E_SYNTAX);
	assert_string_equal(diag.text, "f:1:15: unknown key \"a?b?[2J\"");
	/* Cut between characters, although 64 is in the middle of one. */
	assert_int_equal(
		spec_from_text(STR("{name: web-1, a\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
				   "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
				   "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
				   "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
				   "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9: 1}"),
			"f", &specs, &diag),
		E_SYNTAX);
	assert_true(check_line(str_of(diag.text)));
	for (size_t n = 500; n < 506; n++) {
		/* So long that what is said is cut, and that in a character. */
		char *file =
			repeated("", "x", n, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
		assert_int_equal(spec_from_text(STR("x"), file, &specs, &diag), E_SYNTAX);
		assert_in_range(strlen(diag.text), DIAG_TEXT_BYTES - 2, DIAG_TEXT_BYTES - 1);
		assert_true(check_line(str_of(diag.text)));
		free(file);
	}
}

/* --- from files -------------------------------------------------------------------------------- */

static void test_a_folder_is_read_in_bytewise_order(void **state)
{
	(void)state;
	static const char *const names[] = {"b.yaml", "B.json", "a.yml", ".hidden.yaml", "c.txt"};
	const char *folder = make_folder();
	struct diag diag = {{0}};
	json_t *specs = NULL;
	write_file(folder, "b.yaml", "name: bb\n");
	write_file(folder, "B.json", "{\"name\": \"BB\"}\n");
	write_file(folder, "a.yml", "- name: aa\n- name: ab\n");
	write_file(folder, ".hidden.yaml", "no\n");
	write_file(folder, "c.txt", "no\n");
	assert_int_equal(spec_from_path(folder, &specs, &diag), 0);
	json_t *want = json_of("[{'name':'BB'},{'name':'aa'},{'name':'ab'},{'name':'bb'}]");
	assert_same_json("folder", __LINE__, specs, want);
	json_decref(want);
	json_decref(specs);
	specs = NULL;

	/* A name may be there once in all files. */
	write_file(folder, "b.yaml", "tags: {}\nname: ab\n");
	assert_int_equal(spec_from_path(folder, &specs, &diag), E_EXISTS);
	char text[DIAG_TEXT_BYTES];
	(void)snprintf(text, sizeof text,
		"%s/b.yaml:2:7: name: there is a \"ab\" already, at %s/a.yml:2:9", folder, folder);
	assert_string_equal(diag.text, text);
	assert_null(specs);
	remove_folder(folder, names, sizeof names / sizeof names[0]);
}

static void test_an_empty_folder_has_no_instances(void **state)
{
	(void)state;
	const char *folder = make_folder();
	json_t *specs = NULL;
	assert_int_equal(spec_from_path(folder, &specs, NULL), 0);
	assert_int_equal(json_array_size(specs), 0);
	json_decref(specs);
	remove_folder(folder, NULL, 0);
}

static void test_files_that_can_not_be_read(void **state)
{
	(void)state;
	struct diag diag = {{0}};
	json_t *specs = NULL;
	assert_int_equal(spec_from_path("/nonexistent/x.yaml", &specs, &diag), -ENOENT);
	assert_string_equal(diag.text, "/nonexistent/x.yaml: No such file or directory");
	const char *folder = make_folder();
	char path[PATH_MAX];
	(void)snprintf(path, sizeof path, "%s/x.yaml", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(spec_from_path(folder, &specs, &diag), E_SYNTAX);
	assert_non_null(strstr(diag.text, "/x.yaml: not a regular file"));
	static const char *const names[] = {"x.yaml"};
	remove_folder(folder, names, 1);
}

static void test_paths_are_relative_to_the_file_that_names_them(void **state)
{
	(void)state;
	static const char *const names[] = {"data", "x.yaml"};
	const char *folder = make_folder();
	struct diag diag = {{0}};
	json_t *specs = NULL;
	char text[PATH_MAX];
	write_file(folder, "data", "hello");
	const char *path = write_file(folder, "x.yaml",
		"name: web-1\nuserDataFile: data\n"
		"role: {name: R, credentials: {file: sub/role.json}}\n");
	assert_int_equal(spec_from_path(path, &specs, &diag), 0);
	(void)snprintf(text, sizeof text,
		"[{'name':'web-1','userDataBase64':'aGVsbG8=','role':{'name':'R',"
		"'credentials':{'file':'%s/sub/role.json'}}}]",
		folder);
	json_t *want = json_of(text);
	assert_same_json("paths", __LINE__, specs, want);
	json_decref(want);
	json_decref(specs);
	specs = NULL;

	char *large = repeated("", "x", INSTANCE_USER_DATA_BYTES + 1, "");
	write_file(folder, "data", large);
	free(large);
	(void)snprintf(text, sizeof text, "%s/x.yaml", folder);
	assert_int_equal(spec_from_path(text, &specs, &diag), E_LIMIT);
	assert_non_null(strstr(diag.text, "/x.yaml:2:15: userDataFile: "));
	remove_folder(folder, names, 2);
}

static void test_very_many_instances(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf text = BUF_EMPTY;
	struct diag diag = {{0}};
	json_t *specs = NULL;
	buf_add(&text, STR("instances:\n"));
	for (int i = 0; i < 5000; i++) {
		buf_add_f(&text, "  - {name: web-%d, tags: {n: %d}}\n", i, i);
	}
	assert_int_equal(spec_from_text(buf_str(&text), NULL, &specs, &diag), 0);
	assert_int_equal(json_array_size(specs), 5000);
	const json_t *one = json_array_get(specs, 4321);
	assert_string_equal(json_string_value(json_object_get(one, "name")), "web-4321");
	json_decref(specs);
	specs = NULL;
	buf_add(&text, STR("  - {name: web-17}\n"));
	assert_int_equal(spec_from_text(buf_str(&text), NULL, &specs, &diag), E_EXISTS);
	assert_string_equal(diag.text, "5002:12: name: there is a \"web-17\" already, at 19:12");
}

static int collect_name(void *ctx, struct str name)
{
	buf_add(ctx, name);
	buf_add_char(ctx, '\n');
	return 0;
}

static void test_every_name_is_told(void **state)
{
	(void)state;
	CLEANUP(buf_done) struct buf names = BUF_EMPTY;
	assert_int_equal(spec_each_name(collect_name, &names), 0);
	buf_add_char(&names, '\0');
	assert_non_null(strstr(names.p, "metadataOptions.httpPutResponseHopLimit\n"));
	assert_non_null(strstr(names.p, "role.credentials.token\n"));
	assert_non_null(strstr(names.p, "events.maintenance.scheduled.NotBefore\n"));
	assert_non_null(strstr(names.p, "userDataFile\n"));
}

/* --- merge ------------------------------------------------------------------------------------- */

static void test_merge(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *effective, *before, *now, *want; /* before NULL: the first time */
	} cases[] = {
		/* nothing changed in the file: live changes win */
		{__LINE__, "{}", "{}", "{}", "{}"},
		{__LINE__, "{'a':'live'}", "{'a':'file'}", "{'a':'file'}", "{'a':'live'}"},
		{__LINE__, "{}", "{'a':'file'}", "{'a':'file'}", "{}"},
		{__LINE__, "{'a':'1','b':'live'}", "{'a':'1'}", "{'a':'1'}",
			"{'a':'1','b':'live'}"},
		{__LINE__, "{'a':['live']}", "{'a':['x']}", "{'a':['x']}", "{'a':['live']}"},
		/* changed in the file */
		{__LINE__, "{'a':'1'}", "{'a':'1'}", "{'a':'2'}", "{'a':'2'}"},
		{__LINE__, "{'a':'live'}", "{'a':'1'}", "{'a':'2'}", "{'a':'2'}"},
		{__LINE__, "{'a':'2'}", "{'a':'1'}", "{'a':'2'}", "{'a':'2'}"},
		{__LINE__, "{}", "{'a':'1'}", "{'a':'2'}", "{'a':'2'}"},
		{__LINE__, "{'a':['1','live']}", "{'a':['1']}", "{'a':['1','2']}",
			"{'a':['1','2']}"},
		{__LINE__, "{'a':true}", "{'a':true}", "{'a':false}", "{'a':false}"},
		{__LINE__, "{'a':2}", "{'a':1}", "{'a':3}", "{'a':3}"},
		/* added in the file */
		{__LINE__, "{'b':'1'}", "{}", "{'a':'1'}", "{'a':'1','b':'1'}"},
		{__LINE__, "{'a':'live'}", "{}", "{'a':'1'}", "{'a':'1'}"},
		/* dropped from the file */
		{__LINE__, "{'a':'1','b':'2'}", "{'a':'1','b':'2'}", "{'b':'2'}", "{'b':'2'}"},
		{__LINE__, "{'a':'live'}", "{'a':'1'}", "{}", "{}"},
		{__LINE__, "{}", "{'a':'1'}", "{}", "{}"},
		/* the first time: what the file says */
		{__LINE__, "{'a':'live','b':'live'}", NULL, "{'a':'1'}", "{'a':'1','b':'live'}"},
		{__LINE__, "{}", NULL, "{'a':{'b':'1'}}", "{'a':{'b':'1'}}"},
		/* objects member by member */
		{__LINE__, "{'o':{'x':'1','y':'live'}}", "{'o':{'x':'1','y':'1'}}",
			"{'o':{'x':'2','y':'1'}}", "{'o':{'x':'2','y':'live'}}"},
		{__LINE__, "{'o':{'x':'1','z':'live'}}", "{'o':{'x':'1'}}",
			"{'o':{'x':'1','y':'2'}}", "{'o':{'x':'1','y':'2','z':'live'}}"},
		{__LINE__, "{'o':{'x':'1','z':'live'}}", "{'o':{'x':'1'}}", "{'o':{}}",
			"{'o':{'z':'live'}}"},
		{__LINE__, "{'o':{'x':'1','z':'live'}}", "{'o':{'x':'1'}}", "{}",
			"{'o':{'z':'live'}}"},
		{__LINE__, "{'o':{'x':'live'}}", "{'o':{'x':'1'}}", "{}", "{}"},
		{__LINE__, "{'o':{'x':'1'}}", "{'o':{'x':'1'}}", "{'o':{}}", "{'o':{}}"},
		{__LINE__, "{'o':{'live':'1'}}", "{}", "{'o':{'x':'1'}}",
			"{'o':{'live':'1','x':'1'}}"},
		{__LINE__, "{'o':{'p':{'x':'1','y':'live'}}}", "{'o':{'p':{'x':'1'}}}",
			"{'o':{'p':{'x':'2'}}}", "{'o':{'p':{'x':'2','y':'live'}}}"},
		{__LINE__, "{}", "{'o':{'x':'1'}}", "{'o':{'x':'1','y':'2'}}",
			"{'o':{'x':'1','y':'2'}}"},
		/* an object where there was none, and the other way round */
		{__LINE__, "{'o':'1'}", "{'o':'1'}", "{'o':{'x':'1'}}", "{'o':{'x':'1'}}"},
		{__LINE__, "{'o':{'x':'1','y':'live'}}", "{'o':{'x':'1'}}", "{'o':'1'}",
			"{'o':'1'}"},
		{__LINE__, "{'o':'live'}", "{'o':{'x':'1'}}", "{'o':{'x':'2','y':'1'}}",
			"{'o':{'x':'2','y':'1'}}"},
		{__LINE__, "{'o':'live'}", "{'o':{'x':'1'}}", "{}", "{}"},
		/* null is a value: the category goes */
		{__LINE__, "{'metadata':{'a':'1'}}", "{'metadata':{'a':'1'}}",
			"{'metadata':{'a':null}}", "{'metadata':{'a':null}}"},
		{__LINE__, "{'metadata':{'a':null}}", "{'metadata':{'a':null}}", "{}", "{}"},
		{__LINE__, "{'metadata':{'a':null}}", "{'metadata':{'a':null}}",
			"{'metadata':{'a':{'b':'1'}}}", "{'metadata':{'a':{'b':'1'}}}"},
		{__LINE__, "{}", "{}", "{'metadata':{'a':null}}", "{'metadata':{'a':null}}"},
		/* options: one changed live, another in the file */
		{__LINE__,
			"{'name':'w','metadataOptions':{'httpTokens':'required',"
			"'httpPutResponseHopLimit':5}}",
			"{'name':'w','metadataOptions':{'httpTokens':'optional',"
			"'httpPutResponseHopLimit':1}}",
			"{'name':'w','metadataOptions':{'httpTokens':'optional',"
			"'httpPutResponseHopLimit':2}}",
			"{'name':'w','metadataOptions':{'httpTokens':'required',"
			"'httpPutResponseHopLimit':2}}"},
		/* credentials are one value */
		{__LINE__,
			"{'role':{'name':'R','credentials':{'accessKeyId':'L','secretAccessKey':'L'}}}",
			"{'role':{'name':'R','credentials':{'accessKeyId':'1','secretAccessKey':'s'}}}",
			"{'role':{'name':'R','credentials':{'accessKeyId':'2','secretAccessKey':'s'}}}",
			"{'role':{'name':'R','credentials':{'accessKeyId':'2','secretAccessKey':'s'}}}"},
		{__LINE__, "{'role':{'name':'R','credentials':{'accessKeyId':'1'}}}",
			"{'role':{'name':'R','credentials':{'accessKeyId':'1'}}}",
			"{'role':{'name':'R','credentials':{'file':'/f'}}}",
			"{'role':{'name':'R','credentials':{'file':'/f'}}}"},
		{__LINE__, "{'role':{'name':'L','credentials':{'file':'/live'}}}",
			"{'role':{'name':'R','credentials':{'file':'/f'}}}",
			"{'role':{'name':'R2','credentials':{'file':'/f'}}}",
			"{'role':{'name':'R2','credentials':{'file':'/live'}}}"},
		{__LINE__, "{'metadata':{'role':{'credentials':{'x':'1','y':'live'}}}}",
			"{'metadata':{'role':{'credentials':{'x':'1'}}}}",
			"{'metadata':{'role':{'credentials':{'x':'2'}}}}",
			"{'metadata':{'role':{'credentials':{'x':'2','y':'live'}}}}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_t *effective = json_of(cases[i].effective);
		json_t *old = json_of(cases[i].effective);
		json_t *before = cases[i].before ? json_of(cases[i].before) : NULL;
		json_t *now = json_of(cases[i].now), *want = json_of(cases[i].want);
		bool changed;
		assert_int_equal(spec_merge(effective, before, now, &changed), 0);
		assert_same_json("merge", cases[i].line, effective, want);
		if (changed == (bool)json_equal(effective, old)) {
			fail_msg("line %d: changed is %d", cases[i].line, changed);
		}
		json_decref(effective);
		json_decref(old);
		json_decref(before);
		json_decref(now);
		json_decref(want);
	}
}

/* What holds for any three documents; each takes every shape that a member can have. */
static void assert_merge_laws(
	const char *shape_effective, const char *shape_before, const char *shape_now)
{
	json_t *effective = json_of(shape_effective), *old = json_of(shape_effective);
	json_t *before = json_of(shape_before), *now = json_of(shape_now);
	bool changed;
	assert_int_equal(spec_merge(effective, before, now, &changed), 0);
	assert_int_equal(changed, !json_equal(effective, old));
	if (json_equal(before, now)) {
		assert_false(changed);
	}
	if (json_equal(old, before)) {
		assert_same_json("nothing was changed live", __LINE__, effective, now);
	}
	assert_int_equal(spec_merge(effective, now, now, &changed), 0);
	assert_false(changed);
	/* Nothing is shared: the documents can be changed on their own. */
	json_object_set_new(json_object_get(now, "k"), "new", json_true());
	assert_null(json_object_get(json_object_get(effective, "k"), "new"));
	json_decref(effective);
	json_decref(old);
	json_decref(before);
	json_decref(now);
}

static void test_merge_laws(void **state)
{
	(void)state;
	static const char *const shapes[] = {
		"{}",
		"{'k':null}",
		"{'k':'1'}",
		"{'k':'2'}",
		"{'k':['1']}",
		"{'k':['1','2']}",
		"{'k':{}}",
		"{'k':{'a':'1'}}",
		"{'k':{'a':'2'}}",
		"{'k':{'b':'1'}}",
		"{'k':{'a':'1','b':'1'}}",
		"{'k':{'a':{'c':'1'}}}",
		"{'k':{'a':{'c':'1','d':'2'}},'l':'1'}",
	};
	const size_t n = sizeof shapes / sizeof shapes[0];
	for (size_t i = 0; i < n * n * n; i++) {
		assert_merge_laws(shapes[i % n], shapes[i / n % n], shapes[i / n / n]);
	}
}

/* --- memory that runs out ---------------------------------------------------------------------- */

static int load_everything(struct diag *diag)
{
	json_t *specs = NULL;
	int rc = spec_from_text(
		STR("- name: web-1\n"
		    "  match: {addresses: [127.0.0.1, \"::1\"], mac: \"02:aa:bb:cc:dd:01\"}\n"
		    "  metadataOptions: {httpTokens: required, httpPutResponseHopLimit: 2}\n"
		    "  tags: {a: b}\n"
		    "  publicKeys: {k: ssh-rsa AAAAB3Nz}\n"
		    "  userDataFile: user-data.bin\n"
		    "  role: {name: R, credentials: {file: role.json}}\n"
		    "  metadata: {a: {b/c: d}, e: null}\n"
		    "  events: {maintenance: {scheduled: []}}\n"
		    "  hibernation: {configured: true}\n"
		    "- name: web-2\n"
		    "  userDataBase64: YQ==\n"),
		VECTORS "x.yaml", &specs, diag);
	assert_true((rc == 0) == (specs != NULL));
	json_decref(specs);
	return rc;
}

static void test_every_allocation_of_a_load_fails_once(void **state)
{
	(void)state;
	each_allocation_fails(load_everything);
}

static int merge_everything(struct diag *diag)
{
	/* Made before memory gets short. */
	long left = allocations_left;
	allocations_left = LONG_MAX;
	json_t *effective = json_of("{'a':'1','o':{'x':'1'}}");
	json_t *before = json_of("{'a':'1','o':{'x':'1'}}");
	json_t *now = json_of("{'a':'2','o':{'x':'1','y':['1','2']},'p':{'q':'r'}}");
	allocations_left = left;
	bool changed;
	int rc = spec_merge(effective, before, now, &changed);
	json_decref(effective);
	json_decref(before);
	json_decref(now);
	return diag_set(diag, rc, "merge");
}

static void test_every_allocation_of_a_merge_fails_once(void **state)
{
	(void)state;
	each_allocation_fails(merge_everything);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_texts),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_faults_are_named_with_their_place),
		cmocka_unit_test(test_right_instances_become_specifications),
		cmocka_unit_test(test_limits_and_one_more),
		cmocka_unit_test(test_very_long_base64),
		cmocka_unit_test(test_numbers_of_members),
		cmocka_unit_test(test_texts_that_are_no_text_files),
		cmocka_unit_test(test_every_start_of_a_text),
		cmocka_unit_test(test_text_without_a_file_names_no_files),
		cmocka_unit_test(test_one_line_whatever_the_text_holds),
		cmocka_unit_test(test_a_folder_is_read_in_bytewise_order),
		cmocka_unit_test(test_an_empty_folder_has_no_instances),
		cmocka_unit_test(test_files_that_can_not_be_read),
		cmocka_unit_test(test_paths_are_relative_to_the_file_that_names_them),
		cmocka_unit_test(test_very_many_instances),
		cmocka_unit_test(test_every_name_is_told),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_merge_laws),
		cmocka_unit_test(test_every_allocation_of_a_load_fails_once),
		cmocka_unit_test(test_every_allocation_of_a_merge_fails_once),
	};
	return cmocka_run_group_tests(tests, enter_source_tree, NULL);
}
