/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as the npm package @device-management-toolkit/wsman-messages builds them.
 *   messages.js read             reads and harmless methods: a JSON array of {name, xml}; a Pull has
 *                                @CONTEXT@ where the context of the Enumerate before it belongs
 *   messages.js put CLASS <JSON  the Put of an object with these properties
 * Runs with NODE_PATH at the folder of packages.
 */
"use strict";
const fs = require("fs");
const { AMT, CIM, IPS } = require("@device-management-toolkit/wsman-messages");

const families = { AMT: new AMT.Messages(), CIM: new CIM.Messages(), IPS: new IPS.Messages() };

function service(name) {
	const [family, cls] = name.split("_");
	return families[family][cls];
}

const singletons = ["AMT_GeneralSettings", "AMT_RedirectionService", "AMT_SetupAndConfigurationService",
	"IPS_OptInService", "IPS_HostBasedSetupService", "CIM_KVMRedirectionSAP"];
const lists = ["AMT_PublicKeyCertificate", "AMT_PublicPrivateKeyPair", "AMT_TLSSettingData",
	"AMT_TLSCredentialContext", "AMT_EthernetPortSettings", "CIM_SoftwareIdentity"];
const methods = [["AMT_SetupAndConfigurationService", "GetUuid"],
	["AMT_TimeSynchronizationService", "GetLowAccuracyTimeSynch"],
	["AMT_RedirectionService", "RequestStateChange", 32771],
	["CIM_KVMRedirectionSAP", "RequestStateChange", 2]];

function reads() {
	const requests = singletons.map((c) => ({ name: `${c}.Get`, xml: service(c).Get() }));
	for (const c of lists)
		requests.push({ name: `${c}.Enumerate`, xml: service(c).Enumerate() },
			{ name: `${c}.Pull`, xml: service(c).Pull("@CONTEXT@") });
	for (const [c, method, ...args] of methods)
		requests.push({ name: `${c}.${method}`, xml: service(c)[method](...args) });
	return requests;
}

function put(name) {
	return service(name).Put(JSON.parse(fs.readFileSync(0, "utf8")));
}

const [verb, name] = process.argv.slice(2);
process.stdout.write(verb === "put" ? put(name) : JSON.stringify(reads()));
