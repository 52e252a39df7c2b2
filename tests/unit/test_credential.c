/* Unit tests of config/credential.h: keys for the control API, and what each may do. */
#include "config_help.h"

#include "config/config.h"
#include "config/credential.h"

static const char *secret_is(const struct credential *credential)
{
	static char text[CREDENTIAL_SECRET_BYTES + 1];
	memcpy(text, credential->secret.p, credential->secret.n);
	text[credential->secret.n] = '\0';
	return text;
}

static void test_credentials(void **state)
{
	(void)state;
	static const char *const names[] = {"one.key", "t.yaml"};
	const char *folder = make_folder();
	char file[PATH_MAX];
	struct diag diag = {{0}};
	struct config *config = NULL;
	(void)snprintf(file, sizeof file, "%s/t.yaml", folder);
	write_file(folder, "one.key", "ge+heim/1\r\n");
	write_file(folder, "t.yaml",
		"control:\n  credentials:\n"
		"  - {accessKeyId: ONE, secretAccessKeyFile: one.key, allow: [\"lightsail:*\"]}\n"
		"  - {accessKeyId: TWO, secretAccessKey: geheim2, allow: [\"ec2:Describe*\"]}\n");
	const struct config_flags flags = {.file = file};
	if (config_new(&flags, &config, &diag) < 0) {
		fail_msg("%s", diag.text);
	}
	const struct config_control *control = &config->control;
	assert_int_equal(control->n_credentials, 2);
	assert_string_equal(secret_is(&control->credentials[0]), "ge+heim/1");
	assert_string_equal(secret_is(&control->credentials[1]), "geheim2");
	assert_true(str_ends(control->credentials[0].secret_file, STR("/one.key")));
	assert_int_equal(control->credentials[0].secret_file.p[0], '/');
	assert_int_equal(control->credentials[1].secret_file.n, 0);
	assert_ptr_equal(
		credential_find(control->credentials, 2, STR("TWO")), &control->credentials[1]);
	assert_null(credential_find(control->credentials, 2, STR("two")));
	assert_null(credential_find(control->credentials, 1, STR("TWO")));
	assert_null(credential_find(control->credentials, 2, STR_EMPTY));
	config_free(config);
	write_file(folder, "one.key", "two words\n");
	assert_int_equal(config_new(&flags, &config, &diag), E_SYNTAX);
	assert_null(strstr(diag.text, "two words"));
	(void)remove(write_file(folder, "one.key", ""));
	assert_int_equal(config_new(&flags, &config, &diag), -ENOENT);
	assert_non_null(strstr(diag.text, "t.yaml:3:"));
	remove_folder(folder, names, 2);
}

/* The fault is told with the file's path, and never with what is in it. */
static void test_faults_of_a_secret_file(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *text, *wanted; /* NULL: it is taken */
	} cases[] = {
		{__LINE__, "", "/one.key is empty"},
		{__LINE__, "\n", "/one.key is empty"},
		{__LINE__, "\r\n\r\n", "/one.key is empty"},
		{__LINE__, "geheim\ngeheim\n", "/one.key has several lines; it must be one line"},
		{__LINE__, "geheim\r\ngeheim", "/one.key has several lines; it must be one line"},
		{__LINE__, "\ngeheim\n", "/one.key has several lines; it must be one line"},
		{__LINE__, "ge heim\n", "the secret key must be up to 128 characters"},
		{__LINE__, "geheim", NULL},
		{__LINE__, "geheim\n\n", NULL},
	};
	static const char *const names[] = {"one.key", "t.yaml"};
	const char *folder = make_folder();
	char file[PATH_MAX];
	(void)snprintf(file, sizeof file, "%s/t.yaml", folder);
	write_file(folder, "t.yaml",
		"control: {credentials: [{accessKeyId: A, secretAccessKeyFile: one.key, allow: "
		"[\"*\"]}]}\n");
	const struct config_flags flags = {.file = file};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct diag diag = {{0}};
		struct config *config = NULL;
		write_file(folder, "one.key", cases[i].text);
		int rc = config_new(&flags, &config, &diag);
		const char *wanted = cases[i].wanted;
		if (rc != (wanted ? E_SYNTAX : 0) || (wanted && !strstr(diag.text, wanted)) ||
			strstr(diag.text, "heim")) {
			fail_msg("line %d: %d %s", cases[i].line, rc, diag.text);
		}
		if (wanted) {
			assert_non_null(strstr(diag.text, "t.yaml:1:"));
		}
		config_free(config);
	}
	remove_folder(folder, names, 2);
}

static void test_what_credentials_allow(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *pattern, *action;
		bool fits;
	} cases[] = {
		{__LINE__, "*", "ec2:DescribeInstances", true},
		{__LINE__, "ec2:*", "ec2:DescribeInstances", true},
		{__LINE__, "EC2:describe*", "ec2:DescribeInstances", true},
		{__LINE__, "ec2:*Instances", "ec2:DescribeInstances", true},
		{__LINE__, "ec2:*e*s", "ec2:DescribeInstances", true},
		{__LINE__, "ec2:DescribeInstances", "ec2:DescribeInstances", true},
		{__LINE__, "ec2:DescribeInstances*", "ec2:DescribeInstances", true},
		{__LINE__, "ec2:DescribeInstance", "ec2:DescribeInstances", false},
		{__LINE__, "ec2:DescribeInstances", "ec2:DescribeInstance", false},
		{__LINE__, "ec2:*Instance", "ec2:DescribeInstances", false},
		{__LINE__, "lightsail:*", "ec2:DescribeInstances", false},
		{__LINE__, "c2:*", "ec2:DescribeInstances", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str patterns[] = {STR_INIT("none:x"), str_of(cases[i].pattern)};
		struct credential one = {.allow = patterns, .n_allow = 2};
		if (credential_allows(&one, str_of(cases[i].action)) != cases[i].fits) {
			fail_msg("line %d", cases[i].line);
		}
		one.n_allow = 0;
		assert_false(credential_allows(&one, str_of(cases[i].action)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_faults_of_a_secret_file),
		cmocka_unit_test(test_what_credentials_allow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
