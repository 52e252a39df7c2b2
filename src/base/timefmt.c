#include "base/timefmt.h"

#include <stdio.h>
#include <time.h>

#define YEAR_9999_END_S INT64_C(253402300799)

static void split(int64_t unix_s, struct tm *ret_tm)
{
	if (unix_s < 0) {
		unix_s = 0;
	}
	if (unix_s > YEAR_9999_END_S) {
		unix_s = YEAR_9999_END_S;
	}
	time_t t = (time_t)unix_s;
	gmtime_r(&t, ret_tm);
}

void timefmt_http(int64_t unix_s, char ret_text[TIMEFMT_HTTP_BYTES])
{
	/* strftime would use the locale's names. */
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec"};
	struct tm tm;
	char text[96];
	split(unix_s, &tm);
	(void)snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
		tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(ret_text, text, TIMEFMT_HTTP_BYTES - 1);
	ret_text[TIMEFMT_HTTP_BYTES - 1] = '\0';
}

void timefmt_iso(int64_t unix_s, char ret_text[TIMEFMT_ISO_BYTES])
{
	struct tm tm;
	char text[96];
	split(unix_s, &tm);
	(void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(ret_text, text, TIMEFMT_ISO_BYTES - 1);
	ret_text[TIMEFMT_ISO_BYTES - 1] = '\0';
}

/* Digits at text[at..at+n), or -1. */
static int digits(struct str text, size_t at, size_t n)
{
	int value = 0;
	if (at + n > text.n) {
		return -1;
	}
	for (size_t i = at; i < at + n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9') {
			return -1;
		}
		value = value * 10 + (text.p[i] - '0');
	}
	return value;
}

/* The zone's distance to UTC in seconds. */
static int parse_zone(struct str zone, int64_t *ret_offset_s)
{
	if (str_eq(zone, STR("Z"))) {
		*ret_offset_s = 0;
		return 0;
	}
	int h = digits(zone, 1, 2), m = digits(zone, 4, 2);
	if (zone.n != 6 || (zone.p[0] != '+' && zone.p[0] != '-') || zone.p[3] != ':' || h < 0 ||
		h > 23 || m < 0 || m > 59) {
		return E_SYNTAX;
	}
	int64_t offset = (int64_t)h * 3600 + (int64_t)m * 60;
	*ret_offset_s = zone.p[0] == '-' ? -offset : offset;
	return 0;
}

int timefmt_parse_iso(struct str text, int64_t *ret_unix_s)
{
	struct tm tm = {0};
	int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
	int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
	if (text.n < 20 || text.p[4] != '-' || text.p[7] != '-' || text.p[10] != 'T' ||
		text.p[13] != ':' || text.p[16] != ':' || year < 1970 || month < 1 || month > 12 ||
		day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
		second < 0 || second > 60) {
		return E_SYNTAX;
	}
	struct str zone = str_from(text, 19);
	if (zone.p[0] == '.') {
		size_t n = 1;
		while (n < zone.n && zone.p[n] >= '0' && zone.p[n] <= '9') {
			n++;
		}
		if (n == 1) {
			return E_SYNTAX;
		}
		zone = str_from(zone, n);
	}
	int64_t offset_s;
	if (zone.n == 0 || parse_zone(zone, &offset_s) < 0) {
		return E_SYNTAX;
	}
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	*ret_unix_s = (int64_t)timegm(&tm) - offset_s;
	return tm.tm_mday == day ? 0 : E_SYNTAX; /* timegm turns 31 June into 1 July */
}
