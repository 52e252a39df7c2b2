#include "base/timefmt.h"

#include <time.h>

#define YEAR_9999_END_S INT64_C(253402300799)
#define DAY_S           86400

/* A moment taken apart; UTC. */
struct civil {
	unsigned year;
	unsigned month; /* 1 to 12 */
	unsigned day;
	unsigned weekday; /* 0 is Sunday */
	unsigned hour;
	unsigned minute;
	unsigned second;
};

/*
 * gmtime_r(3) takes a lock and snprintf(3) parses a format, and both are on the way of every reply;
 * so the calendar is computed here, from an era of 400 years that begins in March, which puts the
 * leap day at a year's end.
 */
static struct civil split(int64_t unix_s)
{
	uint64_t s = unix_s < 0                 ? 0
		     : unix_s > YEAR_9999_END_S ? (uint64_t)YEAR_9999_END_S
						: (uint64_t)unix_s;
	unsigned days = (unsigned)(s / DAY_S), in_day = (unsigned)(s % DAY_S);
	unsigned z = days + 719468; /* days from 1 March 0000 to 1 January 1970 */
	unsigned era = z / 146097, of_era = z % 146097;
	unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned from_march = (5 * of_year + 2) / 153;
	unsigned month = from_march < 10 ? from_march + 3 : from_march - 9;
	return (struct civil){
		.year = era * 400 + year_of_era + (month <= 2),
		.month = month,
		.day = of_year - (153 * from_march + 2) / 5 + 1,
		.weekday = (days + 4) % 7,
		.hour = in_day / 3600,
		.minute = in_day / 60 % 60,
		.second = in_day % 60,
	};
}

static char *put2(char *at, unsigned value)
{
	at[0] = (char)('0' + value / 10 % 10);
	at[1] = (char)('0' + value % 10);
	return at + 2;
}

static char *put4(char *at, unsigned value)
{
	return put2(put2(at, value / 100), value % 100);
}

/* "11:22:33" */
static char *put_time(char *at, const struct civil *t)
{
	at = put2(at, t->hour);
	*at++ = ':';
	at = put2(at, t->minute);
	*at++ = ':';
	return put2(at, t->second);
}

static char *put3(char *at, const char *text)
{
	memcpy(at, text, 3);
	return at + 3;
}

void timefmt_http(int64_t unix_s, char ret_text[TIMEFMT_HTTP_BYTES])
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct civil t = split(unix_s);
	char *at = put3(ret_text, days[t.weekday]);
	*at++ = ',';
	*at++ = ' ';
	at = put2(at, t.day);
	*at++ = ' ';
	at = put3(at, months[t.month - 1]);
	*at++ = ' ';
	at = put4(at, t.year);
	*at++ = ' ';
	at = put_time(at, &t);
	memcpy(at, " GMT", 5);
}

void timefmt_iso(int64_t unix_s, char ret_text[TIMEFMT_ISO_BYTES])
{
	struct civil t = split(unix_s);
	char *at = put4(ret_text, t.year);
	*at++ = '-';
	at = put2(at, t.month);
	*at++ = '-';
	at = put2(at, t.day);
	*at++ = 'T';
	at = put_time(at, &t);
	*at++ = 'Z';
	*at = '\0';
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
	/* A leap second may belong to the next day, so it is not for timegm to see. */
	int64_t unix_s = (int64_t)timegm(&tm) + second - offset_s;
	if (tm.tm_mday != day) {
		return E_SYNTAX; /* timegm turns 31 June into 1 July */
	}
	*ret_unix_s = unix_s;
	return 0;
}
