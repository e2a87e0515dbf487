// SPDX-License-Identifier: Apache-2.0
'use strict';
// Loaded into the MeshCentral process with `node --require`; the package itself stays as it was
// published. Each repair is named in MUSTER_PEER_REPAIRS (comma-separated), so that a run can show
// what MeshCentral does without it:
//   chain-order    amtprovisioningserver.js reverses the chain before it gives it to TLS: root first. OpenSSL takes
//                  the first certificate for the leaf, finds that the key is not its key, and the exception ends
//                  the server at the first Hello that matches. Without this repair nothing can be compared.
//   password-form  the same file sends the admin password's MD5 as 32 hex digits where the device expects the
//                  base64 of 16 bytes, and does not look at the answer's ReturnValue.
//   no-management  do not begin the management of a device that has just been activated: the bench
//                  compares provisioning with provisioning.
// Besides, name look-ups by address go to a closed port of this host: a test asks nobody outside.
const dns = require('dns');
const Module = require('module');
const path = require('path');
const tls = require('tls');

const CLOSED = '127.0.0.1:9'; // discard: nobody serves it
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

dns.setServers([CLOSED]);

/** The PEM certificates of a text in the opposite order. */
function turned(text) {
    const certificates = typeof text === 'string' ? text.match(PEM) : null;
    return certificates ? certificates.reverse().join('\n') + '\n' : text;
}

function chainOrder() {
    const connect = tls.connect;
    tls.connect = function (port, host, options, ...rest) {
        const is = options && typeof options === 'object' && options.cert;
        return connect.call(this, port, host, is ? { ...options, cert: turned(options.cert) } : options, ...rest);
    };
}

/** Call change(exports) when MeshCentral's module of that name is loaded; it returns what to hand out. */
function whenLoaded(name, change) {
    const load = Module._load;
    const done = new Map();
    Module._load = function (request, parent, isMain) {
        const exported = load.call(this, request, parent, isMain);
        if (path.basename(request, '.js') !== name) return exported;
        if (!done.has(exported)) done.set(exported, change(exported));
        return done.get(exported);
    };
}

function passwordForm() {
    whenLoaded('amt', (create) => function (wsman) {
        const stack = create(wsman);
        const set = stack.AMT_AuthorizationService_SetAdminAclEntryEx;
        stack.AMT_AuthorizationService_SetAdminAclEntryEx = (user, hex, callback) =>
            set(user, Buffer.from(hex, 'hex').toString('base64'), callback);
        return stack;
    });
}

function noManagement() {
    whenLoaded('amtmanager', (exported) => ({
        ...exported,
        CreateAmtManager: (parent) => {
            const manager = exported.CreateAmtManager(parent);
            manager.startAmtManagement = () => { };
            return manager;
        }
    }));
}

const REPAIRS = { 'chain-order': chainOrder, 'password-form': passwordForm, 'no-management': noManagement };
for (const name of (process.env.MUSTER_PEER_REPAIRS || '').split(',').filter(Boolean)) REPAIRS[name]();
