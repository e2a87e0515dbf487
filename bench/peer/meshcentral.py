# SPDX-License-Identifier: Apache-2.0
"""MeshCentral's bare-metal provisioning server on loopback: installed from npm as published, configured
in a temporary folder, started and stopped by its process id. See README.md for what it needs."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
from estate import DOMAIN, SiteError, free_port, make_provisioning, openssl, wait_for  # noqa: E402

INSTALLED = ROOT / "build/peer"
GROUP = "mesh//" + "A" * 64     # the device group of all devices: an id of MeshCentral's form
DEVICE_PORT = 16993             # fixed in MeshCentral
INSTALL_S = 900                 # 137 MB over a slow line
STOP_S = 10
START_S = 180                   # it makes its certificates in JavaScript
# One for all: its way to a random password (getRandomAmtPassword) calls an object that does not exist.
ADMIN_PASSWORD = "Adm1n-P@ss"
MEBX_PASSWORD = "Mebx-P@ss1"
# Without it the server dies at the first Hello; see preload.js.
NEEDED = ("chain-order",)


class Unavailable(Exception):
    """MeshCentral cannot be had here; the text says why. Tests skip with it."""


def install():
    """The folder of the installed package. The lock file names version and hash of everything; npm's own
    configuration says from where, and its cache serves the second time."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        raise Unavailable("npm and node are not installed (Debian packages npm, nodejs)")
    package = INSTALLED / "node_modules/meshcentral"
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = INSTALLED / "installed-lock.json"
    if package.is_dir() and stamp.is_file() and stamp.read_bytes() == lock:
        return package
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, INSTALLED / name)
    command = [npm, "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    try:
        done = subprocess.run(command, cwd=INSTALLED, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired as e:
        raise Unavailable(f"npm ci took more than {INSTALL_S} s") from e
    if done.returncode != 0:
        raise Unavailable("npm ci failed: " + " ".join(done.stderr.split())[-500:])
    stamp.write_bytes(lock)
    return package


def clean_environment(repairs):
    """No proxy (it would make MeshCentral install a module for it), no settings from outside."""
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG")}
    env["NODE_ENV"] = "production"
    env["MUSTER_PEER_REPAIRS"] = ",".join(repairs)
    return env


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


class MeshCentral:
    """One server with an empty database and one device group that is to be activated in admin control mode."""

    def __init__(self, repairs=NEEDED):
        self.package = install()
        self.repairs = repairs
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="muster-peer-"))
        self.data = self.dir / "data"
        self.data.mkdir(mode=0o700)
        self.chain, self.key, self.root = make_provisioning(self.dir)
        self.hello_port, self.web_port = free_port(), free_port()
        self.process = None
        self._configure()

    def _configure(self):
        leaf, root = self.dir / "prov/leaf.pem", self.root
        for source, name in ((leaf, "acm-leaf.crt"), (root, "acm-root.crt"), (self.key, "acm-leaf.key")):
            shutil.copy(source, self.data / name)
        # An authority of our own for the devices' certificates: with its built-in root MeshCentral writes an
        # issuer name (CN alone) that is not the root's subject (CN, O, C), so nothing would chain.
        self.device_ca = self.data / "device-ca.crt"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650", "-subj", "/CN=peer device CA", "-keyout",
                str(self.data / "device-ca.key"), "-out", str(self.device_ca))
        config = {
            "settings": {
                "LANonly": True, "port": self.web_port, "portBind": "127.0.0.1", "redirPort": 0, "mpsPort": 0,
                "exactPorts": True, "amtScanner": False, "meshScanner": False, "autoBackup": False, "selfUpdate": False,
                "noAgentUpdate": True, "agentTimeStampServer": False, "fastCert": True, "no2factorAuth": True, "compression": False,
                "datapath": str(self.data), "filespath": str(self.dir / "files"),
                "amtProvisioningServer": {"port": self.hello_port, "deviceGroup": GROUP, "ip": "127.0.0.1",
                                          "newMebxPassword": MEBX_PASSWORD, "trustedFqdn": f"rcs.{DOMAIN}"},
            },
            "domains": {"": {
                "title": "muster bench",
                "amtManager": {"tlsRootCert": {"certfile": "device-ca.crt", "keyfile": "device-ca.key"}},
                "amtAcmActivation": {"log": "amtactivation.log", "strictCommonName": True, "certs": {
                    "muster": {"certfiles": ["acm-leaf.crt", "acm-root.crt"], "keyfile": "acm-leaf.key"}}},
            }},
        }
        (self.data / "config.json").write_text(json.dumps(config, indent=1))
        # 3 = manage in admin control mode
        group = {"type": "mesh", "_id": GROUP, "domain": "", "name": "estate", "mtype": 1, "desc": "", "links": {},
                 "amt": {"type": 3, "cirasetup": 0, "password": ADMIN_PASSWORD}}
        (self.dir / "group.json").write_text(json.dumps([group]))

    def _command(self, *args):
        return ["node", "--require", str(HERE / "preload.js"), str(self.package / "meshcentral.js"), "--datapath",
                str(self.data), *args]

    def _run(self, log, *args):
        """A child process. "--launch": the server itself, not the supervisor that would restart it; it
        ends when its standard input does, so that is a pipe which lives as long as this object."""
        with open(self.dir / log, "ab") as out:
            return subprocess.Popen(self._command("--launch", str(os.getpid()), *args), cwd=self.dir, stdin=subprocess.PIPE,
                                    stdout=out, stderr=out, env=clean_environment(self.repairs))

    def start(self):
        """Make the database with the device group, then run the server."""
        self.process = self._run("import.log", "--dbimport", str(self.dir / "group.json"))
        self.process.wait(START_S)
        if "Imported" not in self.text("import.log"):
            raise SiteError(f"MeshCentral --dbimport: {self.text('import.log')[-2000:]}")
        self.process.stdin.close()
        self.process = self._run("server.log", "--debug", "amtsca,amt")
        wait_for(self._ready, START_S, f"MeshCentral (see {self.dir}/server.log)", tick=0.2)

    def _ready(self):
        if not self.alive():
            raise SiteError(f"MeshCentral ended at once: {self.text('server.log')[-2000:]}")
        return listens(self.hello_port)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def text(self, log):
        path = self.dir / log
        return path.read_text(errors="replace") if path.exists() else ""

    def activations(self):
        """What MeshCentral wrote about each device that it believes to have activated."""
        path = self.data / "amtactivation.log"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]

    def cpu_s(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def settle(self, seconds=60, quiet_s=2.0, share=0.05):
        """Wait until start-up work (certificates, agents, caches) is over: hardly any CPU for quiet_s."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = self.cpu_s()
            time.sleep(quiet_s)
            if self.cpu_s() - before < share * quiet_s:
                return
        raise SiteError(f"MeshCentral was still busy {seconds} s after its start")

    def stop(self):
        if not self.process:
            return
        self.process.stdin.close()
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)
