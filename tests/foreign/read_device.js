// SPDX-License-Identifier: Apache-2.0
'use strict';
// Reads classes of one device with MeshCentral's own AMT stack and prints what came as JSON.
//   node read_device.js PACKAGE ADDRESS PORT CLASS...   ("*CLASS" = Get, else Enumerate and Pull)
// The password of "admin" comes on standard input.
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const [folder, address, port, ...classes] = process.argv.slice(2);
const load = (name) => require(path.join(folder, 'amt', name));
const comm = load('amt-wsman-comm')(address, Number(port), 'admin', fs.readFileSync(0, 'utf8').trim(), 1);
comm.xtlsFingerprint = 0; // look at the certificate here, do not judge it there
const stack = load('amt')(load('amt-wsman')(comm));

const sha256 = (der) => crypto.createHash('sha256').update(der).digest('hex');

stack.BatchEnum(null, classes, (stack, name, responses, status) => {
    const out = responses;
    for (const certificate of (out.AMT_PublicKeyCertificate || {}).responses || [])
        certificate['#sha256'] = sha256(Buffer.from(certificate.X509Certificate, 'base64'));
    out['#peer'] = { status, response: sha256(comm.xtlsCertificate.raw) };
    out['#realm'] = { status: 200, response: comm.digestRealm };
    out['#version'] = { status: 200, response: comm.amtVersion };
    process.stdout.write(JSON.stringify(out), () => process.exit(0));
}, null, true);
