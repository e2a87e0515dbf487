#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kerberos login of a simulated device: MIT's KDC issues the ticket, kinit and curl --negotiate use it,
and the device opens it with the key that was put into AMT_KerberosSettingData over WS-Man.

An MIT ticket has no SIDs, so the device is told to take it as an administrator's (--any-ticket). Where
the script of a throw-away Active Directory is at hand, the SIDs of its tickets meet the access list."""
import base64
import json
import os
import pathlib
import shutil
import tempfile
import unittest

import harness
import foreign
import estate
import samba
from foreign import NS, local, request

AMT = "http://intel.com/wbem/wscim/1/amt-schema/1/"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
REALM = estate.DOMAIN.upper()
USER, USER_PASSWORD = "operator", "0perator!Secret"
PASSPHRASE = "Device!Secret7"
# kerberos-rc4-masterkey.json of the vectors has the rule; here the KDC itself is the second opinion.
ENCTYPES = {"aes256": "aes256-cts-hmac-sha1-96", "aes128": "aes128-cts-hmac-sha1-96", "rc4": "arcfour-hmac"}


class Kdc:
    """A KDC with a database in a folder of its own."""

    def __init__(self, folder):
        unpacked = harness.ROOT / "build/tools/krb5"
        self.path = f"{unpacked}/usr/sbin:/usr/sbin:{os.environ['PATH']}"
        for program in ("krb5kdc", "kdb5_util", "kadmin.local"):
            if not shutil.which(program, path=self.path):
                raise unittest.SkipTest(f"{program} is absent")
        foreign.need("kinit")
        self.realm, port = REALM, estate.free_port()
        modules = next(iter(unpacked.glob("usr/lib/*/krb5/plugins/kdb")), None)
        enctypes = " ".join(ENCTYPES.values())
        (folder / "krb5.conf").write_text(f"""[libdefaults]
 default_realm = {REALM}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
 permitted_enctypes = {enctypes}
 allow_weak_crypto = true
[realms]
 {REALM} = {{
  kdc = 127.0.0.1:{port}
 }}
[domain_realm]
 .{estate.DOMAIN} = {REALM}
[dbmodules]
{f" db_module_dir = {modules}" if modules else ""}
""")
        (folder / "kdc.conf").write_text(f"""[kdcdefaults]
 kdc_listen = 127.0.0.1:{port}
 kdc_tcp_listen = 127.0.0.1:{port}
[realms]
 {REALM} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
  supported_enctypes = {" ".join(e + ":normal" for e in ENCTYPES.values())}
 }}
[logging]
 kdc = FILE:{folder}/kdc.log
""")
        self.env = {"KRB5_CONFIG": str(folder / "krb5.conf"), "KRB5_KDC_PROFILE": str(folder / "kdc.conf"), "PATH": self.path,
                    "KRB5CCNAME": f"FILE:{folder}/tickets"}
        self.tool("kdb5_util", "create", "-s", "-r", REALM, "-P", "a-master-key")
        self.process = None
        self.add(USER, USER_PASSWORD)
        self.process = estate.Process(["krb5kdc", "-n"], folder / "kdc.out", env={**os.environ, **self.env})
        estate.wait_for(lambda: self.kinit() == 0, 60, f"the KDC (see {folder}/kdc.out)")

    def tool(self, *command, stdin=""):
        done = foreign.run(list(command), stdin=stdin, env=self.env)
        if done.returncode != 0:
            raise AssertionError(f"{command[0]}: {done.stdout}")
        return done.stdout

    def add(self, principal, password, enctypes=()):
        flags = f"-e {','.join(e + ':normal' for e in enctypes)} " if enctypes else ""
        self.tool("kadmin.local", "-r", REALM, "-q", f"addprinc {flags}-pw {password} {principal}")

    def kinit(self):
        return foreign.run(["kinit", f"{USER}@{REALM}"], stdin=USER_PASSWORD + "\n", env=self.env).returncode

    def stop(self):
        if self.process:
            self.process.stop()


class KerberosTest(harness.SiteTest):
    """Four devices that our worker has provisioned, and a KDC."""
    SITE = {"devices": 4}
    KDC = None
    SIM = ()

    @classmethod
    def setUpClass(cls):
        # Short: the directory's sockets are below it.
        cls.folder = tempfile.TemporaryDirectory(prefix="muster-krb-")
        folder = pathlib.Path(cls.folder.name)
        cls.kdc = None
        try:
            cls.kdc = cls.KDC(folder)
            super().setUpClass()
            sim = cls.site.start_sim("--mix", "amt16=1", *cls.SIM)
            estate.wait_for(lambda: (cls.site.status() or {}).get("done", 0) == 4, 120, "all devices to be done")
            cls.devices = foreign.devices_of(sim, None)["amt16"]
            for device, record in ((d, r) for d in cls.devices for r in cls.records() if r["uuid"] == d.uuid):
                device.curl_config = folder / f"curl-{device.address}"
                device.curl_config.write_text(f'user = "admin:{record["admin_password"]}"\n')
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def records(cls):
        return [json.loads(line) for line in cls.site.muster("device", "export", "--json", "--reveal").splitlines() if line]

    @classmethod
    def tearDownClass(cls):
        if "site" in cls.__dict__:
            super().tearDownClass()
        if cls.kdc:
            cls.kdc.stop()
        cls.folder.cleanup()

    def put_settings(self, device, **values):
        cls = AMT + "AMT_KerberosSettingData"
        values = {"ElementName": "Intel(r) AMT: Kerberos Settings", "InstanceID": "Intel (r) AMT: Kerberos Settings",
                  "RealmName": self.kdc.realm, "KeyVersion": 1, "MaximumClockTolerance": 5, **values}
        body = "".join(f"<r:{name}>{values[name]}</r:{name}>" for name in sorted(values))
        answer = device.wsman(request(TRANSFER + "Put", cls, f'<r:AMT_KerberosSettingData xmlns:r="{cls}">{body}</r:AMT_KerberosSettingData>'))
        self.assertEqual(local(answer.find("s:Body", NS)[0]), "AMT_KerberosSettingData")

    def negotiate(self, device):
        """Answers of the device to curl with the user's ticket for HTTP/FQDN."""
        get = request(TRANSFER + "Get", AMT + "AMT_GeneralSettings", "")
        url = f"https://{device.fqdn}:{device.tls}/wsman"
        return foreign.run(["curl", "-ksSi", "--max-time", "60", "--negotiate", "-u", ":", "--connect-to",
                            f"::{device.address}:{device.tls}", "--data-binary", "@-", url], stdin=get, env=self.kdc.env).stdout

    def offers(self, device):
        """Whether a 401 names the scheme."""
        text = device.curl("/wsman", "--data-binary", "@-", login=False)
        self.assertIn("WWW-Authenticate: Digest", text)
        return "WWW-Authenticate: Negotiate" in text


class Mit(KerberosTest):
    KDC = Kdc
    SIM = ("--any-ticket",)

    def salt(self, device):
        """The salt of a principal in MIT's database: realm and components."""
        return f"{REALM}HTTP{device.fqdn}"

    def test_ticket_opens_with_the_passphrase(self):
        for device, enctype in zip(self.devices, ("aes256", "aes128", "rc4")):
            with self.subTest(enctype):
                self.kdc.add(f"HTTP/{device.fqdn}", PASSPHRASE, [ENCTYPES[enctype]])
                self.assertFalse(self.offers(device))
                self.assertNotIn("200 OK", self.negotiate(device))
                self.put_settings(device, KrbEnabled="true", Passphrase=PASSPHRASE, Salt=self.salt(device), IterationCount=4096)
                self.assertTrue(self.offers(device))
                text = self.negotiate(device)
                self.assertIn("HTTP/1.1 200 OK", text)
                self.assertIn(f"HostName>{device.fqdn.split('.')[0]}<", text)
                self.put_settings(device, KrbEnabled="true", Passphrase=PASSPHRASE + "x", Salt=self.salt(device), IterationCount=4096)
                self.assertNotIn("200 OK", self.negotiate(device))
                self.put_settings(device, KrbEnabled="false")
                self.assertFalse(self.offers(device))

    def test_ticket_opens_with_the_master_key(self):
        """A master key is the RC4 key alone: a ticket of another kind is not opened."""
        device = self.devices[3]
        keytab = pathlib.Path(self.folder.name) / "device.keytab"
        self.kdc.add(f"HTTP/{device.fqdn}", PASSPHRASE, [ENCTYPES["rc4"]])
        self.kdc.tool("kadmin.local", "-r", REALM, "-q", f"ktadd -norandkey -k {keytab} HTTP/{device.fqdn}")
        # A keytab entry ends in the key version (4 bytes) behind the key.
        key = keytab.read_bytes()[-20:-4]
        self.put_settings(device, KrbEnabled="true", EncryptionAlgorithm=0, MasterKey=base64.b64encode(key).decode())
        self.assertIn("HTTP/1.1 200 OK", self.negotiate(device))
        self.kdc.tool("kadmin.local", "-r", REALM, "-q", f"cpw -e {ENCTYPES['aes256']}:normal -pw {PASSPHRASE} HTTP/{device.fqdn}")
        self.assertEqual(self.kdc.kinit(), 0)  # forgets the old ticket
        self.assertNotIn("200 OK", self.negotiate(device))


class Directory(samba.Directory):
    """Its users log in, and devices have accounts in it."""

    def __init__(self, folder):
        foreign.need("kinit")
        super().__init__(folder)
        try:
            self.use_facts(folder)
            self.kinit()
        except BaseException:
            self.stop()
            raise

    def use_facts(self, folder):
        facts = self.facts
        self.realm, self.domain = facts["AD_REALM"], facts["AD_DNS_DOMAIN"]
        self.user, self.password, self.group = facts["AD_TEST_USER"].split("@")[0], facts["AD_TEST_USER_PASSWORD"], facts["AD_TEST_GROUP"]
        conf = folder / "krb5.conf"
        conf.write_text(pathlib.Path(facts["AD_KRB5_CONFIG"]).read_text().replace(
            "[domain_realm]", f"[domain_realm]\n.{estate.DOMAIN} = {self.realm}"))
        self.env = {"KRB5_CONFIG": str(conf), "KRB5CCNAME": f"FILE:{folder}/tickets"}

    def kinit(self):
        done = foreign.run(["kinit", f"{self.user}@{self.realm}"], stdin=self.password + "\n", env=self.env)
        if done.returncode != 0:
            raise AssertionError(f"kinit: {done.stdout}")

    def sid_bytes(self, kind, name):
        """The bytes of a user's or a group's SID."""
        authority, *subs = (int(n) for n in self.sid(kind, name).split("-")[2:])
        return bytes([1, len(subs)]) + authority.to_bytes(6, "big") + b"".join(s.to_bytes(4, "little") for s in subs)

    def add_device(self, account, fqdn, port, password):
        """The computer object of a device with the names of its services. Returns its salt."""
        self.tool("computer", "create", account)
        self.tool("user", "setpassword", account + "$", f"--newpassword={password}")
        for spn in (f"HTTP/{fqdn}", f"HTTP/{fqdn}:{port}"):
            self.tool("spn", "add", spn, account + "$")
        return f"{self.realm}host{account.lower()}.{self.domain}"


class ActiveDirectory(KerberosTest):
    KDC = Directory

    def invoke(self, device, method, arguments):
        service = AMT + "AMT_AuthorizationService"
        answer = device.wsman(request(f"{service}/{method}", service, f'<r:{method}_INPUT xmlns:r="{service}">{arguments}</r:{method}_INPUT>'))
        output = {local(p): p.text for p in answer.find("s:Body", NS)[0]}
        self.assertEqual(output["ReturnValue"], "0", output)
        return output

    def test_sids_of_the_ticket_against_the_access_list(self):
        device = self.devices[0]
        salt = self.kdc.add_device("PC0iME", device.fqdn, device.tls, PASSPHRASE)
        self.put_settings(device, KrbEnabled="true", Passphrase=PASSPHRASE, Salt=salt, IterationCount=4096)
        self.assertTrue(self.offers(device))
        self.assertIn("401", self.negotiate(device).splitlines()[0])
        for kind, name in (("user", self.kdc.user), ("group", self.kdc.group)):
            for realm, status in (("3", "200"), ("5", "403")):
                with self.subTest(name, realm=realm):
                    sid = base64.b64encode(self.kdc.sid_bytes(kind, name)).decode()
                    handle = self.invoke(device, "AddUserAclEntryEx", f"<r:KerberosUserSid>{sid}</r:KerberosUserSid>"
                                         f"<r:AccessPermission>2</r:AccessPermission><r:Realms>{realm}</r:Realms>")["Handle"]
                    self.assertIn(status, self.negotiate(device).splitlines()[0])
                    self.invoke(device, "RemoveUserAclEntry", f"<r:Handle>{handle}</r:Handle>")
                    self.assertIn("401", self.negotiate(device).splitlines()[0])


if __name__ == "__main__":
    harness.main()
