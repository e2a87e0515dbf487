# SPDX-License-Identifier: Apache-2.0
"""A throw-away Active Directory (Samba) for tests; where it cannot be had, they are skipped visibly."""
import base64
import os
import pathlib
import random
import re
import unittest

import foreign
import harness

SCRIPT = pathlib.Path(os.environ.get("MUSTER_SAMBA_AD", harness.ROOT.parent / "shared/tools/samba-ad-up.sh"))


class Directory:
    """On an address of its own. facts: what the script printed, AD_...=... A folder of at most 67 characters."""

    def __init__(self, folder, **settings):
        self.up = False
        if not SCRIPT.exists():
            raise unittest.SkipTest("samba-ad-up.sh is absent (MUSTER_SAMBA_AD)")
        for program in ("samba", "samba-tool", "ldapsearch", "ldapmodify"):
            foreign.need(program)
        if os.geteuid() != 0:
            raise unittest.SkipTest("the directory needs ports below 1024: run as root")
        self.state = pathlib.Path(folder) / "ad"
        address = f"127.77.{random.randint(1, 254)}.{random.randint(1, 254)}"
        self.settings = {"SAMBA_AD_IP": address, "SAMBA_AD_WAIT": "100", **settings}
        text = self.start()
        if not self.up:
            raise unittest.SkipTest(f"samba-ad-up.sh: {text.strip()[-300:]}")

    def start(self):
        done = foreign.run(["bash", str(SCRIPT), str(self.state)], env=self.settings)
        self.up = done.returncode == 0
        self.facts = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("AD_"))
        return done.stdout

    def signal(self, number):
        os.kill(int(self.facts["AD_PID"]), number)

    def stop(self):
        if self.up:
            foreign.run(["bash", str(SCRIPT.with_name("samba-ad-down.sh")), str(self.state)])

    def tool(self, *command):
        done = foreign.run(["samba-tool", *command, "-s", f"{self.state}/etc/smb.conf", "-H", f"{self.state}/private/sam.ldb"])
        if done.returncode != 0:
            raise AssertionError(f"samba-tool {command[:2]}: {done.stdout}")
        return done.stdout

    def sid(self, kind, name):
        return re.search(r"^objectSid: (S-\S+)$", self.tool(kind, "show", name, "--attributes=objectSid"), re.M).group(1)

    def ldap(self, program, *args, stdin=""):
        """A foreign LDAP client, logged in as the administrator."""
        f = self.facts
        done = foreign.run([program, "-x", "-H", f["AD_URL"], "-D", f["AD_ADMIN_USER"], "-w", f["AD_ADMIN_PASSWORD"], *args],
                           stdin=stdin, env={"LDAPTLS_CACERT": f["AD_CA_FILE"], "LDAPTLS_REQCERT": "demand"})
        if done.returncode != 0:
            raise AssertionError(f"{program}: {done.stdout}")
        return done.stdout

    def add(self, dn, **attributes):
        """An entry; bytes are binary values, lists several."""
        self.ldap("ldapmodify", "-a", stdin=f"dn: {dn}\n" + ldif(attributes))

    def change(self, dn, **attributes):
        """Replace attributes."""
        self.ldap("ldapmodify", stdin=f"dn: {dn}\nchangetype: modify\n" + "".join(
            f"replace: {name}\n{ldif({name: value})}-\n" for name, value in attributes.items()))

    def values(self, dn, attribute):
        """All values of an attribute of one entry."""
        text = self.ldap("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-s", "base", "-b", dn, attribute)
        return re.findall(rf"^{attribute}: (.*)$", text, re.M)


def ldif(attributes):
    lines = ""
    for name, values in attributes.items():
        for value in values if isinstance(values, list) else [values]:
            lines += f"{name}:: {base64.b64encode(value).decode()}\n" if isinstance(value, bytes) else f"{name}: {value}\n"
    return lines
