/* SPDX-License-Identifier: Apache-2.0 */
/* Bad lists of devices and what is said of them: for a row "line[index] field: why". */
#ifndef MUSTER_TESTS_CTL_IMPORT_MISTAKES_H
#define MUSTER_TESTS_CTL_IMPORT_MISTAKES_H

#define U1     "03aa1b4c-91d2-11e8-8ea9-1c1b0d5f6a01"
#define U2     "03aa1b4c-91d2-11e8-8ea9-1c1b0d5f6a02"
#define HEAD   "uuid,name,password\n"
#define SHARED "# readable by others\n" /* the test sets the mode by it */
#define L63    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D199                    \
	L63 "." L63 "." L63 "." \
	    "example"
#define PW33  "S3cr!aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MC(x) "[{\"_id\":\"node//x\",\"rname\":\"a.b\"," x "}]"

static const struct mistake {
	const char *text, *says;
} mistakes[] = {
	/* files */
	{"", "it is empty"},
	{" \n\n", "it is empty"},
	{"# nobody\n", "it is empty"},
	{HEAD, "no device in it"},
	{"[]", "no device in it"},
	{"a,b,S3cret!\n", "line 1: the first line must name the columns"},
	{U1 ",a.b,S3cret!\n", "line 1: the first line must name the columns"},
	{"name,password\na.b,S3cret!\n", "line 1: the first line must name the columns"},
	{"uuid,colour\n", "line 1: unknown column \"colour\""},
	{"# x\nuuid,name,UUID\n", "line 2: column \"UUID\" stands twice"},
	{HEAD U1 ",\"a.b,S3cret!\n" U2 ",a.c,\n", "line 2: a quote is opened and never closed"},
	{HEAD U1 ",a.b,\"S3c\"ret!\n", "line 2: text after a closing quote"},
	{HEAD U1 ",a.b,S3cr\"et!\n", "line 2: a quote inside a value"},
	{"[{\"uuid\":\"" U1 "\",}]", "line 1, column "},
	{"[{\"uuid\":\"" U1 "\",\"password\":\"S3cret!", "line 1, column "},
	{"[{\"uuid\":\"" U1 "\",\n\"uuid\":\"" U2 "\"}]",
		"line 2, column 6: not JSON: a member stands twice"},
	{"[\"\xff\"]", "line 1, column "},
	{"{\"list\":[]}", "no list of devices"},
	{"[{\"id\":1}]", "none of its objects has uuid"},
	{"[1,2]", "none of its objects has uuid"},
	/* rows */
	{HEAD U1 ",a.b\n", "2[0] : 2 values where the first line names 3 columns"},
	{HEAD U1 ",a.b,S3,cret!\n", "2[0] : 4 values where the first line names 3 columns"},
	{HEAD ",a.b,\n", "2[0] uuid: there is none"},
	{HEAD "S3cret!,a.b,\n", "2[0] uuid: its 7 characters are not a UUID"},
	{HEAD "03aa1b4c-91d2-11e8-8ea9-1c1b0d5f6a0g,a.b,\n", "2[0] uuid: its 36 characters"},
	{HEAD " " U1 ",a.b,\n", "2[0] uuid: its 37 characters"},
	{HEAD "00000000-0000-0000-0000-000000000000,a.b,\n", "2[0] uuid: many boards carry"},
	{HEAD "03000200-0400-0500-0006-000700080009,a.b,\n", "2[0] uuid: many boards carry"},
	{HEAD "00020003-0004-0005-0006-000700080009,a.b,\n", "2[0] uuid: many boards carry"},
	{HEAD U1 ",a.b,\n" U1 ",a.c,\n", "3[0] uuid: it stands in line 2 already"},
	{HEAD "03AA1B4C-91D2-11E8-8EA9-1C1B0D5F6A01,a.b,\n" U1 ",a.c,\n",
		"3[0] uuid: it stands in line 2 already"},
	{HEAD U1 ",a.b,\n" U2 ",A.B.,\n", "3[0] name: it stands in line 2 already"},
	{HEAD U1 ",,\n", "2[0] name: there is none"},
	{HEAD U1 ",pc1,\n", "2[0] name: fqdn has no domain"},
	{HEAD U1 ",a..b,\n", "2[0] name: a part of the name is empty"},
	{HEAD U1 "," L63 "a.b,\n", "2[0] name: a part of the name is empty or longer than 63"},
	{HEAD U1 ",a." D199 ",\n", "2[0] name: the domain of fqdn is longer than 191"},
	{HEAD U1 ",-a.b,\n", "2[0] name: a part of the name begins or ends with a hyphen"},
	{HEAD U1 ",a b.c,\n", "2[0] name: the name holds a character"},
	{HEAD U1 ",a.b,\"S3cret!\nx\"\n", "2[0] password: byte 8 of it is a control character"},
	{HEAD U1 ",a.b," PW33 "\n", "2[0] password: an admin password has 1 to 32"},
	{SHARED HEAD U1 ",a.b,S3cret!x\n", "3[0] password: others than its owner can read it"},
	{"uuid,name,profile\n" U1 ",a.b,kiosk\n", "2[0] profile: \"kiosk\" is not in /profiles"},
	{"uuid,name,tags\n" U1 ",a.b,floor/3\n", "2[0] tags: word 1 is no tag"},
	{"uuid,name,address\n" U1 ",a.b,10.1.2\n", "2[0] address: it is not an IP address"},
	{"uuid,name,address\n" U1 ",a.b,pc1.corp\n", "2[0] address: it is not an IP address"},
	{"uuid,name,fingerprint\n" U1 ",a.b,AB:CD\n", "2[0] fingerprint: not the 64 hex digits"},
	{"uuid,name,tls\n" U1 ",a.b,maybe\n", "2[0] tls: it is neither yes nor no"},
	{"uuid,name,ou\n" U1 ",a.b," D199 D199 D199 "\n", "2[0] ou: longer than 511 bytes"},
	{"[{\"uuid\":\"" U1 "\",\"name\":\"a.b\"},7]", "0[1] : it is no object"},
	{"[{\"uuid\":\"" U1 "\",\"name\":7}]", "0[0] name: it is not a text"},
	{"[{\"uuid\":\"" U1 "\",\"pass\":\"S3cret!\"}]", "0[0] : unknown member \"pass\""},
	{"[{\"uuid\":\"" U1 "\",\"name\":\"a.b\",\"tags\":[\"a b\"]}]",
		"0[0] tags: tag 1 is not one word"},
	{"[{\"uuid\":\"" U1 "\",\"name\":\"a.b\"},{\"uuid\":\"" U1 "\",\"name\":\"a.c\"}]",
		"0[1] uuid: it stands at [0] already"},
	/* foreign formats */
	{MC("\"intelamt\":{\"state\":0}"), "0[0] uuid: MeshCentral has not learnt it yet"},
	{MC("\"intelamt\":{\"_CRYPT\":\"x\"}"), "0[0] : MeshCentral has encrypted this node"},
	{MC("\"intelamt\":{\"uuid\":\"" U1 "\",\"user\":\"bob\",\"pass\":\"S3cret!\"}"),
		"0[0] password: it is that of the account bob"},
	{"[{\"guid\":\"" U1 "\",\"hostname\":\"a\",\"dnsSuffix\":\"b\",\"password\":\"S3cr" D199
	 "\"}]",
		"0[0] password: longer than any of Intel AMT"},
	{"[{\"guid\":\"" U1 "\",\"hostname\":\"a\",\"dnsSuffix\":\"\"}]",
		"0[0] name: fqdn has no domain"},
	{"[{\"guid\":\"" U1 "\",\"hostname\":\"\"}]", "0[0] name: there is none"},
};
#define N_MISTAKES (sizeof mistakes / sizeof mistakes[0])

#endif
