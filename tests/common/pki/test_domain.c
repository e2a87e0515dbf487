/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of domain-match.csv, both rules. SPEC: tls.md 5.3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/pki/domain.h"
#include "tests/common/pki/csv.h"

static void check_row(char **f, size_t n)
{
	assert_int_equal(n, 4);
	if (domain_match(f[0], f[1], DOMAIN_RELAXED) != (strcmp(f[2], "match") == 0))
		fail_msg("%s against %s: relaxed is not %s", f[0], f[1], f[2]);
	if (domain_match(f[0], f[1], DOMAIN_STRICT) != (strcmp(f[3], "match") == 0))
		fail_msg("%s against %s: strict is not %s", f[0], f[1], f[3]);
}

static void test_rows(void **state)
{
	(void)state;
	assert_int_equal(csv_each("tests/data/pki", "domain-match.csv", check_row), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
