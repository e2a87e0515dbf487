/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator against material from outside: requests of two independent builders are taken, and
 * our class tables have the element names and the order of recorded answers. Recorded text is read
 * in place only. SPEC: vectors/wsman/SOURCE.txt
 */
#include "tests/bench/sim_test.h"

#include "bench/sim/classes/class.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;
static unsigned n_taken, n_foreign, n_items;

static int open12(void **state)
{
	(void)state;
	rig_open(&rig, "amt12", NULL);
	return 0;
}

static int shut(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* The recorded Pulls carry this context. */
static void prepare_context(const char *text)
{
	if (!strstr(text, "/enumeration/Pull<"))
		return;
	const char *uri = strstr(text, "ResourceURI>");
	char name[256] = "";
	if (uri)
		(void)sscanf(uri, "ResourceURI>%255[^<]", name);
	const struct class_def *cls = class_find(&rig.d, name, NULL);
	rig.d.enums[0xD3 % DEVICE_ENUMS_MAX] = (struct dev_enum){.id = cls ? 0xD3 : 0, .cls = cls};
}

static void one_request(const char *dir, const char *name)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	char *text = rig_file(path);
	assert_non_null(text);
	prepare_context(text);
	rig_send(&rig, text);
	static const char *const never[] = {"SchemaValidationError",
		"MessageInformationHeaderRequired", "InvalidEnumerationContext", "MustUnderstand",
		"InternalError"};
	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		if (strcmp(rig.fault, never[i]) == 0)
			fail_msg("%s: %s", name, rig.fault);
	assert_false(rig.last.html);
	bool foreign = strcmp(rig.fault, "DestinationUnreachable") == 0 ||
		       strcmp(rig.fault, "ActionNotSupported") == 0;
	n_foreign += foreign;
	n_taken += !foreign;
	free(text);
	device_free(&rig.d);
	device_start(&rig.d);
}

static void all_requests(const char *folder)
{
	char path[512];
	snprintf(path, sizeof path, "%s", rig_vector(folder));
	DIR *dir = opendir(path);
	if (!dir) {
		print_message("skipped: no vectors/%s\n", folder);
		skip();
	}
	for (struct dirent *e; (e = readdir(dir));)
		if (strstr(e->d_name, ".xml"))
			one_request(path, e->d_name);
	closedir(dir);
}

static void test_requests(void **state)
{
	(void)state;
	n_taken = n_foreign = 0;
	all_requests("wsman/requests");
	all_requests("wsman/requests/second-builder");
	print_message("%u requests taken, %u of classes that come later\n", n_taken, n_foreign);
	assert_true(n_taken >= 65);
}

/* In order and on one device, as the peer runs it: only the made-up contents may fail. */
static void test_sequence(void **state)
{
	(void)state;
	n_taken = n_foreign = 0;
	all_requests("wsman/requests/sequence-pki-minimal");
	if (n_taken != 23)
		fail_msg("%u of 23 requests of the sequence were taken", n_taken);
}

/* Properties of other devices (wireless port, later firmware) that ours does not have. */
static bool known_difference(const char *name)
{
	static const char *const names[] = {"ConsoleTcpMaxRetransmissions", "LinkControl",
		"LinkPreference", "WLANLinkProtectionLevel", "DoubleBufferActive",
		"DoubleBufferEnabled", "GrayscalePixelFormatSupported",
		"InitialDecimationModeForLowRes", "ZlibControlSupported"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const struct class_def *class_of(const struct xml_node *item)
{
	for (size_t i = 0; class_table[i]; i++)
		if (strcmp(class_table[i]->name, item->name) == 0 &&
			strncmp(item->ns, class_table[i]->ns, strlen(class_table[i]->ns)) == 0)
			return class_table[i];
	return NULL;
}

static void compare_item(const struct xml_node *item, const char *file)
{
	const struct class_def *cls = class_of(item);
	if (!cls)
		return;
	int at = 0;
	n_items++;
	for (const struct xml_node *n = item->children; n; n = n->next) {
		int i = at;
		while (cls->props[i].name && strcmp(cls->props[i].name, n->name) != 0)
			i++;
		if (!cls->props[i].name && known_difference(n->name))
			continue;
		if (!cls->props[i].name)
			fail_msg("%s: %s.%s is missing or out of order", file, cls->name, n->name);
		at = i;
	}
}

/* OUT parameters of our answer must be the recorded ones; checked where both are plain. */
static int one_answer(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)where;
	if (type != FTW_F || !strstr(path, ".xml") || strstr(path, "/amt/asset/"))
		return 0;
	char *text = rig_file(path);
	struct xml_node *root;
	struct error err;
	assert_non_null(text);
	arena_reset(&rig.mem);
	const char *start = text + strspn(text, " \t\r\n");
	if (xml_parse(&root, &rig.mem, start, strlen(start), &err) == 0) {
		const struct xml_node *body = xml_child(root, "Body");
		const struct xml_node *first = body ? body->children : NULL;
		const struct xml_node *items = xml_child(first, "Items");
		if (items)
			for (const struct xml_node *i = items->children; i; i = i->next)
				compare_item(i, path);
		else if (first)
			compare_item(first, path);
	}
	free(text);
	return 0;
}

static void test_shape(void **state)
{
	char path[512];
	(void)state;
	snprintf(path, sizeof path, "%s", rig_vector("wsman/responses"));
	DIR *dir = opendir(path);
	if (!dir) {
		print_message("skipped: no vectors/wsman/responses\n");
		skip();
	}
	closedir(dir);
	n_items = 0;
	assert_int_equal(nftw(path, one_answer, 16, FTW_PHYS), 0);
	print_message("%u recorded objects compared\n", n_items);
	assert_true(n_items >= 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, open12, shut),
		cmocka_unit_test_setup_teardown(test_sequence, open12, shut),
		cmocka_unit_test_setup_teardown(test_shape, open12, shut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
