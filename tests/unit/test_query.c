/* Unit tests of control/query.h: forms as botocore writes them, and as someone hostile does. */
#include "tests/unit/cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "control/query.h"
#include "fake/alloc.h"

#define BYTES_MAX ((size_t)1024 * 1024)

struct taken {
	int line;
	const char *text;
	const char *json; /* with ' for " */
};

/* A copy in memory of its own size, so that a sanitizer sees a read beyond it. */
static int parse(struct str text, json_t **ret_request, struct diag *diag)
{
	char *copy = malloc(text.n ? text.n : 1);
	assert_non_null(copy);
	memcpy(copy, text.p, text.n);
	int rc = query_parse((struct str){copy, text.n}, ret_request, diag);
	free(copy);
	return rc;
}

static json_t *expected(const char *text)
{
	char json[4096];
	size_t n = strlen(text);
	assert_true(n < sizeof json);
	for (size_t i = 0; i <= n; i++) {
		json[i] = text[i] == '\'' ? '"' : text[i];
	}
	json_t *value = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(value);
	return value;
}

static void try_taken(const struct taken *one)
{
	struct diag diag = {{0}};
	json_t *request = NULL, *right = expected(one->json);
	int rc = parse(str_of(one->text), &request, &diag);
	if (rc != 0 || !json_equal(request, right)) {
		char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
		fail_msg("case of line %d: %s %s", one->line, diag.text, text ? text : "");
	}
	json_decref(request);
	json_decref(right);
}

/* --- what is taken ----------------------------------------------------------------------------- */

/* Made by botocore 1.29's serializers. */
static const struct taken from_botocore[] = {
	{__LINE__,
		"Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3AName&"
		"Filter.1.Value.1=web&Filter.1.Value.2=db&"
		"Filter.2.Name=instance-state-name&Filter.2.Value.1=running&"
		"MaxResults=5",
		"{'Action':'DescribeInstances','Version':'2016-11-15',"
		"'Filter':[{'Name':'tag:Name','Value':['web','db']},"
		"{'Name':'instance-state-name','Value':['running']}],'MaxResults':'5'}"},
	{__LINE__,
		"Action=DescribeInstances&Version=2016-11-15&"
		"InstanceId.1=i-0123456789abcdef0&InstanceId.2=i-0123456789abcdef1",
		"{'Action':'DescribeInstances','Version':'2016-11-15',"
		"'InstanceId':['i-0123456789abcdef0','i-0123456789abcdef1']}"},
	{__LINE__,
		"Action=CreateTags&Version=2016-11-15&ResourceId.1=i-0123456789abcdef0&"
		"Tag.1.Key=Name&Tag.1.Value=web+%26+%22db%22+%3C%C3%A9%3E+%2B1&"
		"Tag.2.Key=empty&Tag.2.Value=",
		"{'Action':'CreateTags','Version':'2016-11-15',"
		"'ResourceId':['i-0123456789abcdef0'],'Tag':[{'Key':'Name',"
		"'Value':'web & \\u0022db\\u0022 <é> +1'},{'Key':'empty','Value':''}]}"},
	{__LINE__,
		"Action=ModifyInstanceMetadataOptions&Version=2016-11-15&"
		"InstanceId=i-0123456789abcdef0&HttpTokens=required&"
		"HttpPutResponseHopLimit=2&HttpEndpoint=enabled",
		"{'Action':'ModifyInstanceMetadataOptions','Version':'2016-11-15',"
		"'InstanceId':'i-0123456789abcdef0','HttpTokens':'required',"
		"'HttpPutResponseHopLimit':'2','HttpEndpoint':'enabled'}"},
	{__LINE__,
		"Action=RunInstances&Version=2016-11-15&ImageId=ami-12345678&"
		"MinCount=1&MaxCount=1&UserData=%23%21%2Fbin%2Fsh%0Aecho+1&"
		"TagSpecification.1.ResourceType=instance&"
		"TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b&"
		"MetadataOptions.HttpTokens=required&NetworkInterface.1.DeviceIndex=0&"
		"NetworkInterface.1.Ipv6Addresses.1.Ipv6Address=2001%3Adb8%3A%3A1",
		"{'Action':'RunInstances','Version':'2016-11-15',"
		"'ImageId':'ami-12345678','MinCount':'1','MaxCount':'1',"
		"'UserData':'#!/bin/sh\\necho 1',"
		"'TagSpecification':[{'ResourceType':'instance','Tag':[{'Key':'a',"
		"'Value':'b'}]}],'MetadataOptions':{'HttpTokens':'required'},"
		"'NetworkInterface':[{'DeviceIndex':'0',"
		"'Ipv6Addresses':[{'Ipv6Address':'2001:db8::1'}]}]}"},
	{__LINE__,
		"Action=GetMetricData&Version=2010-08-01&"
		"MetricDataQueries.member.1.Id=m1&"
		"MetricDataQueries.member.1.MetricStat.Metric.Namespace=AWS%2FEC2&"
		"MetricDataQueries.member.1.MetricStat.Metric.MetricName=MetadataNoToken&"
		"MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Name=InstanceId&"
		"MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Value=i-0123456789abcdef0&"
		"MetricDataQueries.member.1.MetricStat.Period=300&"
		"MetricDataQueries.member.1.MetricStat.Stat=Sum&"
		"MetricDataQueries.member.1.ReturnData=true&"
		"MetricDataQueries.member.2.Id=e1&"
		"MetricDataQueries.member.2.Expression=m1+%2F+2&"
		"StartTime=2026-11-24T12%3A00%3A00Z&EndTime=2026-11-24T13%3A00%3A00Z",
		"{'Action':'GetMetricData','Version':'2010-08-01',"
		"'MetricDataQueries':[{'Id':'m1',"
		"'MetricStat':{'Metric':{'Namespace':'AWS/EC2',"
		"'MetricName':'MetadataNoToken','Dimensions':[{'Name':'InstanceId',"
		"'Value':'i-0123456789abcdef0'}]},'Period':'300','Stat':'Sum'},"
		"'ReturnData':'true'},{'Id':'e1','Expression':'m1 / 2'}],"
		"'StartTime':'2026-11-24T12:00:00Z','EndTime':'2026-11-24T13:00:00Z'}"},
	{__LINE__,
		"Action=GetMetricStatistics&Version=2010-08-01&Namespace=AWS%2FEC2&"
		"MetricName=MetadataNoToken&Dimensions.member.1.Name=InstanceId&"
		"Dimensions.member.1.Value=i-0123456789abcdef0&"
		"StartTime=2026-11-24T12%3A00%3A00Z&EndTime=2026-11-24T13%3A00%3A00Z&"
		"Period=60&Statistics.member.1=Sum&Statistics.member.2=Maximum",
		"{'Action':'GetMetricStatistics','Version':'2010-08-01',"
		"'Namespace':'AWS/EC2','MetricName':'MetadataNoToken',"
		"'Dimensions':[{'Name':'InstanceId','Value':'i-0123456789abcdef0'}],"
		"'StartTime':'2026-11-24T12:00:00Z','EndTime':'2026-11-24T13:00:00Z',"
		"'Period':'60','Statistics':['Sum','Maximum']}"},
	{__LINE__, "Action=ListMetrics&Version=2010-08-01&Namespace=AWS%2FEC2&Dimensions=",
		"{'Action':'ListMetrics','Version':'2010-08-01','Namespace':'AWS/EC2',"
		"'Dimensions':''}"},
	{__LINE__,
		"Action=PutMetricData&Version=2010-08-01&Namespace=n&"
		"MetricData.member.1.MetricName=a&"
		"MetricData.member.1.Values.member.1=1.0&"
		"MetricData.member.1.Values.member.2=2.5e-10&"
		"MetricData.member.1.Counts.member.1=1.0&"
		"MetricData.member.1.Counts.member.2=2.0",
		"{'Action':'PutMetricData','Version':'2010-08-01','Namespace':'n',"
		"'MetricData':[{'MetricName':'a','Values':['1.0','2.5e-10'],"
		"'Counts':['1.0','2.0']}]}"},
	{__LINE__, "Action=GetCallerIdentity&Version=2011-06-15",
		"{'Action':'GetCallerIdentity','Version':'2011-06-15'}"},
};

static const struct taken forms[] = {
	{__LINE__, "", "{}"},
	{__LINE__, "&&", "{}"},
	{__LINE__, "A=1", "{'A':'1'}"},
	{__LINE__, "&A=1&&B=2&", "{'A':'1','B':'2'}"},
	{__LINE__, "A=", "{'A':''}"},
	{__LINE__, "A", "{'A':''}"},
	{__LINE__, "A=b=c", "{'A':'b=c'}"},
	{__LINE__, "A=%41%4a%4A+%2B%2b%26%3D", "{'A':'AJJ ++&='}"},
	{__LINE__, "A=%2541", "{'A':'%41'}"},
	{__LINE__, "A=%0a%7F;", "{'A':'\\n\\u007f;'}"},
	{__LINE__, "%C3%84+b=%F0%9F%98%80\xc3\xa4", "{'Ä b':'😀ä'}"},
	{__LINE__, "A%2EB=1&A.C=2", "{'A':{'B':'1','C':'2'}}"},
	{__LINE__, "X-Amz-Date=1&_a=2&1a=3", "{'X-Amz-Date':'1','_a':'2','1a':'3'}"},
	/* Lists. */
	{__LINE__, "A.1=x", "{'A':['x']}"},
	{__LINE__, "A.10=c&A.2=b&A.1=a", "{'A':['a','b','c']}"},
	{__LINE__, "A.5=b&A.1=a", "{'A':['a','b']}"},
	{__LINE__, "A.1000=b&A.999=a", "{'A':['a','b']}"},
	{__LINE__, "A.2.B=y&A.1.B=x&A.2.C=z", "{'A':[{'B':'x'},{'B':'y','C':'z'}]}"},
	{__LINE__, "A.1.1=x&A.1.2=y&A.2.1=z", "{'A':[['x','y'],['z']]}"},
	{__LINE__, "A.1=", "{'A':['']}"},
	/* A prefix only before an index, and not at the start. */
	{__LINE__, "A.member.1=x", "{'A':['x']}"},
	{__LINE__, "A.member.2=y&A.1=x", "{'A':['x','y']}"},
	{__LINE__, "A.member.1.B.member.1=x", "{'A':[{'B':['x']}]}"},
	{__LINE__, "A.member=x", "{'A':{'member':'x'}}"},
	{__LINE__, "A.member.B=x", "{'A':{'member':{'B':'x'}}}"},
	{__LINE__, "A.member.member.1=x", "{'A':{'member':['x']}}"},
	{__LINE__, "A.members.1=x", "{'A':{'members':['x']}}"},
	{__LINE__, "A.entry.1=x", "{'A':{'entry':['x']}}"},
	{__LINE__, "member.1=x", "{'member':['x']}"},
	/* Names of which one begins with the other. */
	{__LINE__, "A.B=1&AB=2&A.BC=3&A-=4", "{'A':{'B':'1','BC':'3'},'AB':'2','A-':'4'}"},
};

static void test_botocore(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(from_botocore); i++) {
		try_taken(&from_botocore[i]);
	}
}

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		try_taken(&forms[i]);
	}
}

/* Members come by name, so that what is made of a request does not hang on how it was sent. */
static void test_order(void **state)
{
	(void)state;
	json_t *request = NULL;
	assert_int_equal(query_parse(STR("C=1&A.2=3&B=2&A.1=4"), &request, NULL), 0);
	char *text = json_dumps(request, JSON_COMPACT);
	assert_string_equal(text, "{\"A\":[\"4\",\"3\"],\"B\":\"2\",\"C\":\"1\"}");
	free(text);
	json_decref(request);
}

/* --- what is refused --------------------------------------------------------------------------- */

static const struct {
	int line;
	struct str text;
	int rc;
	const char *says;
} refused[] = {
	{__LINE__, STR_INIT("A=%"), E_SYNTAX, "A: a '%' is not followed by two hex digits"},
	{__LINE__, STR_INIT("A=%4"), E_SYNTAX, "A: a '%' is not followed by two hex digits"},
	{__LINE__, STR_INIT("A=%4&B=1"), E_SYNTAX, "A: a '%' is not followed by two hex digits"},
	{__LINE__, STR_INIT("A=%4g"), E_SYNTAX, "A: a '%' is not followed by two hex digits"},
	{__LINE__, STR_INIT("A=%G4"), E_SYNTAX, "A: a '%' is not followed by two hex digits"},
	{__LINE__, STR_INIT("A=%+4"), E_SYNTAX, "A: a '%' is not followed by two hex digits"},
	{__LINE__, STR_INIT("A=%:0"), E_SYNTAX, "A: a '%' is not followed by two hex digits"},
	{__LINE__, STR_INIT("A=1&%zz=1"), E_SYNTAX,
		"parameter 2: a '%' is not followed by two hex digits"},
	{__LINE__, STR_INIT("A.1=%00"), E_SYNTAX, "A.1: a NUL is not allowed"},
	{__LINE__, STR_INIT("A=a\0b"), E_SYNTAX, "A: a NUL is not allowed"},
	{__LINE__, STR_INIT("A%00=1"), E_SYNTAX, "parameter 1: a NUL is not allowed"},
	{__LINE__, STR_INIT("A=%C3"), E_SYNTAX, "A: not UTF-8"},
	{__LINE__, STR_INIT("A=%C3&%A4=1"), E_SYNTAX, "A: not UTF-8"},
	{__LINE__, STR_INIT("A=%C0%80"), E_SYNTAX, "A: not UTF-8"},
	{__LINE__, STR_INIT("A=%ED%A0%80"), E_SYNTAX, "A: not UTF-8"},
	{__LINE__, STR_INIT("A=\xff"), E_SYNTAX, "A: not UTF-8"},
	{__LINE__, STR_INIT("%FF=1"), E_SYNTAX, "parameter 1: not UTF-8"},
	{__LINE__, STR_INIT("A%0AB=1"), E_SYNTAX, "parameter 1: a control character in the name"},
	{__LINE__, STR_INIT("A\x7f=1"), E_SYNTAX, "parameter 1: a control character in the name"},
	{__LINE__, STR_INIT("%C2%85=1"), E_SYNTAX, "parameter 1: a control character in the name"},
	/* Names. */
	{__LINE__, STR_INIT("=1"), E_SYNTAX, "parameter 1: a part of the name is empty"},
	{__LINE__, STR_INIT(".=1"), E_SYNTAX, "parameter 1: a part of the name is empty"},
	{__LINE__, STR_INIT("A.=1"), E_SYNTAX, "parameter 1: a part of the name is empty"},
	{__LINE__, STR_INIT("A.1.=1"), E_SYNTAX, "parameter 1: a part of the name is empty"},
	{__LINE__, STR_INIT(".A=1"), E_SYNTAX, "parameter 1: a part of the name is empty"},
	{__LINE__, STR_INIT("A..B=1"), E_SYNTAX, "parameter 1: a part of the name is empty"},
	{__LINE__, STR_INIT("1=1"), E_SYNTAX, "parameter 1: the name begins with a number"},
	{__LINE__, STR_INIT("1.A=1"), E_SYNTAX, "parameter 1: the name begins with a number"},
	/* Indexes. */
	{__LINE__, STR_INIT("A.0=1"), E_LIMIT, "parameter 1: an index is not from 1 to 1000"},
	{__LINE__, STR_INIT("A.00=1"), E_LIMIT, "parameter 1: an index is not from 1 to 1000"},
	{__LINE__, STR_INIT("A.01=1"), E_SYNTAX, "parameter 1: an index begins with 0"},
	{__LINE__, STR_INIT("A.member.01=1"), E_SYNTAX, "parameter 1: an index begins with 0"},
	{__LINE__, STR_INIT("A.1001=1"), E_LIMIT, "parameter 1: an index is not from 1 to 1000"},
	{__LINE__, STR_INIT("A.18446744073709551617=1"), E_LIMIT,
		"parameter 1: an index is not from 1 to 1000"},
	/* Twice, and of two kinds. */
	{__LINE__, STR_INIT("A=1&A=1"), E_SYNTAX, "A: this parameter is there twice"},
	{__LINE__, STR_INIT("A.1.B=1&C=2&A.1.B=2"), E_SYNTAX,
		"A.1.B: this parameter is there twice"},
	{__LINE__, STR_INIT("A=1&%41=1"), E_SYNTAX, "A: this parameter is there twice"},
	{__LINE__, STR_INIT("A.1=1&A.member.1=1"), E_SYNTAX, "A.1: this parameter is there twice"},
	{__LINE__, STR_INIT("A=1&A.B=2"), E_SYNTAX,
		"A: this parameter has a value and parts as well"},
	{__LINE__, STR_INIT("A.B.C=2&A.B=1"), E_SYNTAX,
		"A.B: this parameter has a value and parts as well"},
	{__LINE__, STR_INIT("A.1=2&A="), E_SYNTAX,
		"A: this parameter has a value and parts as well"},
	{__LINE__, STR_INIT("A.1=1&A.B=2"), E_SYNTAX,
		"A: this parameter has indexes and names as well"},
	{__LINE__, STR_INIT("A.B.C=1&A.B.1=2"), E_SYNTAX,
		"A.B: this parameter has indexes and names as well"},
	{__LINE__, STR_INIT("A.1=1&A.member=2"), E_SYNTAX,
		"A: this parameter has indexes and names as well"},
	{__LINE__, STR_INIT("A.1=1&A.1a=2&A.2=3"), E_SYNTAX,
		"A: this parameter has indexes and names as well"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct diag diag = {{0}};
		json_t *untouched = json_true(), *request = untouched;
		int rc = parse(refused[i].text, &request, &diag);
		if (rc != refused[i].rc || strcmp(diag.text, refused[i].says) != 0) {
			fail_msg("case of line %d: %s: %s", refused[i].line, result_name(rc),
				diag.text);
		}
		HOLDS(refused[i].line, request == untouched);
		HOLDS(refused[i].line, parse(refused[i].text, &request, NULL) == rc);
	}
}

/* --- limits ------------------------------------------------------------------------------------ */

static int parse_buf(struct buf *text, struct diag *diag)
{
	json_t *request = NULL;
	assert_int_equal(buf_status(text), 0);
	int rc = parse(buf_str(text), &request, diag);
	json_decref(request);
	buf_done(text);
	return rc;
}

static void add_times(struct buf *out, const char *text, size_t n)
{
	while (n--) {
		buf_add(out, str_of(text));
	}
}

static void test_pairs_max(void **state)
{
	(void)state;
	for (size_t n = QUERY_PAIRS_MAX; n <= QUERY_PAIRS_MAX + 1; n++) {
		struct buf text = BUF_EMPTY;
		struct diag diag = {{0}};
		for (size_t i = 0; i < n; i++) {
			buf_add_f(&text, "&K%zu=", i);
		}
		int rc = parse_buf(&text, &diag);
		assert_int_equal(rc, n > QUERY_PAIRS_MAX ? E_LIMIT : 0);
		assert_string_equal(diag.text, rc ? "more than 8192 parameters" : "");
	}
}

/* Bytes as they are decoded. */
static void test_key_max(void **state)
{
	(void)state;
	for (size_t n = QUERY_KEY_MAX; n <= QUERY_KEY_MAX + 1; n++) {
		struct buf plain = BUF_EMPTY, escaped = BUF_EMPTY;
		struct diag diag = {{0}};
		add_times(&plain, "a", n);
		add_times(&escaped, "%61", n);
		assert_int_equal(parse_buf(&plain, &diag), n > QUERY_KEY_MAX ? E_LIMIT : 0);
		assert_int_equal(parse_buf(&escaped, &diag), n > QUERY_KEY_MAX ? E_LIMIT : 0);
		assert_string_equal(diag.text,
			n > QUERY_KEY_MAX ? "parameter 1: the name is longer than 256 bytes" : "");
	}
	/* The longest can be named whole. */
	struct buf twice = BUF_EMPTY;
	struct diag diag = {{0}};
	add_times(&twice, "a", QUERY_KEY_MAX);
	add_times(&twice, "&", 1);
	add_times(&twice, "a", QUERY_KEY_MAX);
	assert_int_equal(parse_buf(&twice, &diag), E_SYNTAX);
	assert_int_equal(strspn(diag.text, "a"), QUERY_KEY_MAX);
	assert_string_equal(diag.text + QUERY_KEY_MAX, ": this parameter is there twice");
}

static void test_depth_max(void **state)
{
	(void)state;
	for (size_t n = QUERY_DEPTH_MAX; n <= QUERY_DEPTH_MAX + 1; n++) {
		struct buf names = BUF_EMPTY, lists = BUF_EMPTY;
		struct diag diag = {{0}};
		add_times(&names, "a.", n - 1);
		add_times(&names, "a", 1);
		assert_int_equal(parse_buf(&names, &diag), n > QUERY_DEPTH_MAX ? E_LIMIT : 0);
		assert_string_equal(diag.text,
			n > QUERY_DEPTH_MAX ? "parameter 1: the name has more than 16 parts" : "");
		/* What says nothing does not count. */
		add_times(&lists, "a", 1);
		add_times(&lists, ".member.1", n - 1);
		assert_int_equal(parse_buf(&lists, &diag), n > QUERY_DEPTH_MAX ? E_LIMIT : 0);
	}
}

/*
 * As many bytes as a body may have, of which each could be looked at again for every other. With work
 * that grows as its square the test would not end within its time.
 */
static void test_large(void **state)
{
	(void)state;
	static const struct {
		int line;
		const char *repeated;
		int rc;
	} cases[] = {
		{__LINE__, "&", 0},
		{__LINE__, "=", 0},
		{__LINE__, "%", E_SYNTAX},
		{__LINE__, "a.", E_LIMIT},
		{__LINE__, "member.1.", E_LIMIT},
		{__LINE__, "%61", E_LIMIT},
		{__LINE__, "a&", E_LIMIT},
		{__LINE__, ".", E_LIMIT},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf text = BUF_EMPTY;
		if (cases[i].repeated[0] == '=') {
			buf_add_char(&text, 'a');
		}
		add_times(&text, cases[i].repeated, BYTES_MAX / strlen(cases[i].repeated));
		HOLDS(cases[i].line, parse_buf(&text, NULL) == cases[i].rc);
	}
}

/* The most pairs with the longest keys, which differ at their ends alone, from the last to the first. */
static void test_many_long_keys(void **state)
{
	(void)state;
	struct buf text = BUF_EMPTY;
	json_t *request = NULL;
	for (unsigned i = QUERY_PAIRS_MAX; i > 0; i--) {
		add_times(&text, "a.", QUERY_DEPTH_MAX - 3);
		add_times(&text, "b", QUERY_KEY_MAX - 2 * (QUERY_DEPTH_MAX - 3) - 8);
		buf_add_f(&text, ".%u.c%03u=x&", i / 512 + 1, i % 512);
	}
	assert_int_equal(parse(buf_str(&text), &request, NULL), 0);
	assert_int_equal(json_object_size(request), 1);
	json_decref(request);
	buf_done(&text);
}

/* --- cut, and without memory ------------------------------------------------------------------- */

/* The same text as it comes in, up to each of its bytes. */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(from_botocore); i++) {
		struct str whole = str_of(from_botocore[i].text);
		for (size_t n = 0; n < whole.n; n++) {
			struct diag diag = {{0}};
			json_t *request = NULL;
			int rc = parse((struct str){whole.p, n}, &request, &diag);
			HOLDS(from_botocore[i].line, rc == 0 || (rc == E_SYNTAX && !request));
			HOLDS(from_botocore[i].line, (rc == 0) == (diag.text[0] == '\0'));
			HOLDS(from_botocore[i].line, rc < 0 || json_is_object(request));
			json_decref(request);
		}
	}
}

static void test_every_byte(void **state)
{
	(void)state;
	char text[] = "A.1.B=%41&A.2.member.1=x&C=+";
	for (size_t i = 0; i < sizeof text - 1; i++) {
		char was = text[i];
		for (int c = 0; c < 256; c++) {
			json_t *request = NULL;
			text[i] = (char)c;
			int rc = parse((struct str){text, sizeof text - 1}, &request, NULL);
			assert_true(rc == 0 || rc == E_SYNTAX || rc == E_LIMIT);
			assert_true((rc == 0) == json_is_object(request));
			json_decref(request);
		}
		text[i] = was;
	}
}

static unsigned count_failures(struct str text)
{
	for (unsigned n = 1;; n++) {
		struct diag diag = {{0}};
		json_t *request = NULL;
		(void)alloc_fail_at(n);
		int rc = query_parse(text, &request, &diag);
		if (!alloc_fail_at(0)) {
			assert_int_equal(rc, 0);
			json_decref(request);
			return n - 1;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_null(request);
		assert_string_equal(diag.text, "out of memory");
	}
}

static void test_out_of_memory(void **state)
{
	(void)state;
	json_set_alloc_funcs(malloc, free); /* Jansson's allocations, too */
	assert_true(count_failures(STR_EMPTY) >= 1);
	for (size_t i = 0; i < COUNT(from_botocore); i++) {
		assert_true(count_failures(str_of(from_botocore[i].text)) > 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_botocore),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_pairs_max),
		cmocka_unit_test(test_key_max),
		cmocka_unit_test(test_depth_max),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_many_long_keys),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
