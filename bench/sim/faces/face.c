/* SPDX-License-Identifier: Apache-2.0 */
/* The faces beside WS-Man; see face.h. */
#include "bench/sim/faces/face.h"

#include "bench/sim/auth.h"
#include "bench/sim/faces/eoi.h"
#include "bench/sim/faces/web.h"
#include "bench/sim/reply.h"

bool face_public(const struct device *d, bool post, const char *url)
{
	return !post && web_public(d, url);
}

static int message(struct buf *out, const struct device *d, int status, const char *text)
{
	reply_html(out, d, status, "", text);
	return status;
}

static int web(struct device *d, const struct face_request *rq, struct buf *out)
{
	struct web_page p;
	web_serve(d, rq->url, &p);
	reply_page(out, d, p.status, p.headers, buf_cstr(&p.html));
	buf_free(&p.html);
	return p.status;
}

static int eoi(struct device *d, const struct face_request *rq, struct buf *out)
{
	struct buf body;
	buf_init(&body, EOI_ANSWER_MAX);
	int status = eoi_serve(d, rq->session, rq->url, rq->body, rq->body_len, &body);
	reply_text(out, d, status, "text/xml; charset=utf-8", &body);
	buf_free(&body);
	return status;
}

int face_serve(struct device *d, const struct face_request *rq, struct buf *out)
{
	bool is_eoi = rq->post && eoi_present(d, rq->url);
	enum auth_realm realm = is_eoi ? REALM_REMOTE_CONTROL : REALM_GENERAL_INFO;
	if (rq->post && !is_eoi)
		return message(out, d, 404, "Not found");
	if (!face_public(d, rq->post, rq->url) && !auth_may(rq->realms, realm))
		return message(out, d, 403, "Forbidden");
	return is_eoi ? eoi(d, rq, out) : web(d, rq, out);
}
