# SPDX-License-Identifier: Apache-2.0
"""Foreign programs as peers of simulated devices: finding or fetching them, and running them."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ET

from harness import ROOT

NS = {"s": "http://www.w3.org/2003/05/soap-envelope", "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
      "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd", "e": "http://schemas.xmlsoap.org/ws/2004/09/enumeration"}
SECONDS = 120  # no foreign program may take longer


def need(program):
    """Path of a program, or the test is skipped."""
    path = shutil.which(program)
    if not path:
        raise unittest.SkipTest(f"{program} is absent")
    return path


def run(command, stdin="", env=None):
    """A finished process with its output as text; both streams together."""
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={**os.environ, **(env or {})}, timeout=SECONDS, check=False)


def node_packages(folder):
    """node_modules for a folder with package.json and lock file, installed below build/ once for each
    content of the lock; the test is skipped when that cannot be done."""
    need("node")
    lock = (folder / "package-lock.json").read_text()
    place = ROOT / "build" / "npm" / folder.name
    done = place / "installed.json"
    if done.exists() and done.read_text() == lock:
        return place / "node_modules"
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(folder / name, place / name)
    result = run([need("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(place)])
    if result.returncode != 0:
        raise unittest.SkipTest(f"npm ci for {folder.name} failed: {result.stdout.strip()[-300:]}")
    done.write_text(lock)
    return place / "node_modules"


class Device:
    """One simulated device as a foreign client sees it."""

    def __init__(self, site, line, password_file):
        self.site, self.uuid, self.address, self.fqdn = site, line["d"], line["addr"], line["fqdn"]
        self.amt = line["amt"]
        self.curl_config = password_file
        self.curl_args = ()  # of every call: a console certificate
        self.tls, self.clear = site.device_port, site.device_port - 1
        self.redirection, self.redirection_tls = site.device_port + 1, site.device_port + 2

    def curl(self, path, *args, clear=False, login=True, stdin=""):
        """curl on a page of the device; the answers of all rounds with their heads."""
        scheme, port = ("http", self.clear) if clear else ("https", self.tls)
        # Old devices speak TLS 1.0, which Debian's OpenSSL gives at level 0 only.
        command = ["curl", "-ksSi", "--max-time", "60", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0"]
        if login:
            command += ["--digest", "-K", str(self.curl_config)]
        return run([*command, *self.curl_args, *args, f"{scheme}://{self.address}:{port}{path}"], stdin=stdin).stdout

    def wsman(self, xml):
        """Answer envelope (an element) to a request envelope (a text)."""
        text = self.curl("/wsman", "-H", "Content-Type: application/soap+xml;charset=UTF-8", "--data-binary", "@-", stdin=xml)
        start = text.rfind("<?xml")
        if start < 0:
            raise AssertionError(f"{self.address}: no envelope in the answer:\n{text}")
        return ET.fromstring(text[start:].encode())


def devices_of(sim, password_file):
    """The devices of an estate, by the name of their generation."""
    found = {}
    for line in sim.ledger.read_text().splitlines():
        event = json.loads(line)
        if event["ev"] == "device":
            found.setdefault(event["amt"], []).append(Device(sim.site, event, password_file))
    return found


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def request(action, resource, body, selector=""):
    """A request envelope of our own writing, for what no foreign library builds."""
    return (f'<?xml version="1.0" encoding="utf-8"?><Envelope xmlns="{NS["s"]}" xmlns:a="{NS["a"]}" xmlns:w="{NS["w"]}"><Header>'
            f"<a:Action>{action}</a:Action><a:To>/wsman</a:To><w:ResourceURI>{resource}</w:ResourceURI><a:MessageID>1</a:MessageID>"
            "<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>"
            f"<w:OperationTimeout>PT60S</w:OperationTimeout>{selector}</Header><Body>{body}</Body></Envelope>")
