/* SPDX-License-Identifier: Apache-2.0 */
/* Web pages; see web.h. */
#include "bench/sim/faces/web.h"

#include "bench/sim/xml.h"

#include <string.h>
#include <time.h>

#define HTML_MAX   4096
#define UI_ENABLED 2 /* AMT_WebUIService.EnabledState */

static const char *power_text(uint32_t power)
{
	switch (power) {
	case POWER_ON: return "On";
	case POWER_SLEEP: return "Standby (S3)";
	case POWER_HIBERNATE: return "Hibernate (S4)";
	default: return "Off";
	}
}

static void logon(const struct device *d, struct buf *html)
{
	(void)d;
	(void)buf_adds(html, "<h2>Log On</h2><p>Log on to Intel&reg; Active Management Technology "
			     "on this computer.</p><form action=\"index.htm\">"
			     "<input type=\"submit\" value=\"Log On...\"></form>");
}

static void row(struct buf *html, const char *name, const char *value)
{
	(void)buf_addf(html, "<tr><td>%s</td><td>", name);
	(void)xml_escape(html, value);
	(void)buf_adds(html, "</td></tr>");
}

static void heading(const struct device *d, struct buf *html, const char *text)
{
	(void)buf_adds(html, "<p>Computer: ");
	(void)xml_escape(html, d->set.host);
	(void)buf_adds(html, ".");
	(void)xml_escape(html, d->set.domain);
	(void)buf_addf(html, "</p><h2>%s</h2><table>", text);
}

static void status(const struct device *d, struct buf *html)
{
	time_t now = (time_t)device_time(d);
	struct tm tm;
	char clock[40];
	gmtime_r(&now, &tm);
	strftime(clock, sizeof clock, "%Y-%m-%d %H:%M:%S UTC", &tm);
	heading(d, html, "System Status");
	row(html, "Power", power_text(d->power));
	row(html, "IP address", d->set.ip);
	row(html, "System ID", d->uuid_text);
	row(html, "Date and time", clock);
	(void)buf_adds(html, "</table>");
}

static void hardware(const struct device *d, struct buf *html)
{
	heading(d, html, "System Information");
	row(html, "Management Engine", d->as->version);
	row(html, "Build", d->as->build);
	(void)buf_adds(html, "</table>");
}

static const struct page {
	const char *url;
	bool open; /* needs no login */
	int status;
	const char *headers;
	void (*write)(const struct device *d, struct buf *html);
} pages[] = {
	{"/", true, 303, "Location: /logon.htm\r\n", logon},
	{"/logon.htm", true, 200, "", logon},
	{"/index.htm", false, 200, "", status},
	{"/hw-sys.htm", false, 200, "", hardware},
};

static bool switched_on(const struct device *d)
{
	return d->state == DEV_POST && d->set.webui_state == UI_ENABLED;
}

static const struct page *find_page(const char *url)
{
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		if (strcmp(pages[i].url, url) == 0)
			return &pages[i];
	return NULL;
}

bool web_public(const struct device *d, const char *url)
{
	const struct page *p = find_page(url);
	return p && (p->open || !switched_on(d));
}

void web_serve(const struct device *d, const char *url, struct web_page *out)
{
	const struct page *p = switched_on(d) ? find_page(url) : NULL;
	*out = (struct web_page){.status = p ? p->status : 404, .headers = p ? p->headers : ""};
	buf_init(&out->html, HTML_MAX);
	if (p)
		p->write(d, &out->html);
	else
		(void)buf_adds(&out->html, "<h2>Not found</h2>");
}
