# SPDX-License-Identifier: Apache-2.0
"""One private Muster on loopback: what the demo, the end-to-end tests and the bench share.

A Site owns a temporary folder with keys, certificates, configuration, a private redis-server and a
`muster node`, and starts simulated estates against it. Everything it starts it stops, by pid;
everything it writes is in its folder. Python's standard library only."""
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

DOMAIN = "corp.example.com"
ROOT = pathlib.Path(__file__).resolve().parents[1]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ROLES = ("listener", "broker", "worker")
PORTS = (12000, 32000)  # below net.ipv4.ip_local_port_range
given = set()  # ports that free_port() has returned

# Certificates of the demo: a root that the simulated firmware lists, and a provisioning leaf.
# SPEC: tls.md 5.1 (EKU serverAuth and the AMT provisioning OID)
LEAF_EXTENSIONS = """basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth,2.16.840.1.113741.1.2.3
"""


class SiteError(Exception):
    """Something did not start or did not answer; the text says what and where to look."""


def wait_for(condition, seconds, what, tick=0.02):
    """Poll a condition until it is true; the value is returned. SiteError after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise SiteError(f"gave up after {seconds} s waiting for {what}")
        time.sleep(tick)


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("", port))
            return True
        except OSError:
            return False


def free_port(before=0, after=0):
    """A port that is free on every address and outside the range of outgoing connections: a
    connection of another test could take it otherwise between this check and its use. So are as
    many ports before and after it. No port is given out twice: it may not be in use yet."""
    for _ in range(100):
        port = random.randint(*PORTS)
        block = set(range(port - before, port + after + 1))
        if not block & given and all(map(is_free, block)):
            given.update(block)
            return port
    raise SiteError(f"no free port from {PORTS[0]} to {PORTS[1]}")


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise SiteError(f"openssl {args[0]}: {done.stderr.strip()}")


def make_provisioning(folder, name="prov", cn=f"rcs.{DOMAIN}", bits=2048, root_bits=2048, digest="sha256"):
    """Root and leaf; returns (chain file leaf first, key file, root file)."""
    p = folder / name
    p.mkdir()
    ext = p / "leaf.ext"
    ext.write_text(LEAF_EXTENSIONS)
    openssl("req", "-x509", "-newkey", f"rsa:{root_bits}", "-nodes", f"-{digest}", "-days", "3650", "-subj",
            f"/CN={name} demo root", "-keyout", str(p / "root.key"), "-out", str(p / "root.pem"))
    openssl("req", "-new", "-newkey", f"rsa:{bits}", "-nodes", "-subj", f"/CN={cn}", "-keyout", str(p / "leaf.key"),
            "-out", str(p / "leaf.csr"))
    openssl("x509", "-req", "-in", str(p / "leaf.csr"), "-CA", str(p / "root.pem"), "-CAkey", str(p / "root.key"),
            "-CAcreateserial", "-days", "825", f"-{digest}", "-extfile", str(ext), "-out", str(p / "leaf.pem"))
    chain = p / "chain.pem"
    chain.write_text((p / "leaf.pem").read_text() + (p / "root.pem").read_text())
    (p / "leaf.key").chmod(0o600)
    return chain, p / "leaf.key", p / "root.pem"


def merged(base, extra):
    """Nested dictionaries: extra wins."""
    out = dict(base)
    for key, value in extra.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def to_yaml(value, indent=0):
    """Enough YAML for a configuration: mappings, lists of scalars or mappings, scalars as JSON."""
    pad = "  " * indent
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                lines.append(f"{pad}{key}:\n{to_yaml(item, indent + 1)}")
            else:
                lines.append(f"{pad}{key}: {json.dumps(item)}")
        return "\n".join(lines)
    return "\n".join(f"{pad}- {json.dumps(item)}" for item in value)


class Process:
    """A child process with its output in a file."""

    def __init__(self, command, log, env=None):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def stop(self, seconds=20, sig=signal.SIGTERM):
        if self.alive():
            self.popen.send_signal(sig)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
                return False
        return True


class Usage:
    """CPU time and peak memory of the node's children by role, sampled from /proc.

    A killed process keeps its last sample, so chaos loses at most one tick of a victim's time."""

    def __init__(self):
        self.cpu_s = {}
        self.rss_kb = collections.Counter()
        self.role = {}

    def sample(self, pid, role):
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        self.cpu_s[pid] = max((int(stat[11]) + int(stat[12])) / TICKS_PER_S, self.exact_s(pid))
        self.role[pid] = role
        for line in status.split("\n"):
            if line.startswith("VmHWM:"):
                self.rss_kb[role] = max(self.rss_kb[role], int(line.split()[1]))

    @staticmethod
    def exact_s(pid):
        """CPU time of the living threads in ns, where the clock of /proc/PID/stat ticks in 10 ms; 0 when they are gone."""
        try:
            return sum(int((t / "schedstat").read_text().split()[0]) for t in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9
        except (OSError, ValueError, IndexError):
            return 0

    def cpu(self, role):
        return sum(s for pid, s in self.cpu_s.items() if self.role[pid] == role)


class Site:
    """Keys, certificates, configuration, Redis and a node in one temporary folder."""

    def __init__(self, build, devices=1000, seed=1, listeners=2, brokers=1, workers=0, conf=None, profile=None,
                 durability="strict", provisioning_bits=2048, strong_chain=False, profiles=None, names=None):
        self.bin = pathlib.Path(build).resolve() / "bin"
        # Short: the path of a unix socket has at most 107 characters.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="muster-"))
        self.devices, self.seed = devices, seed
        self.names = names or (lambda text: text)  # what a test makes of the table of names
        self.usage = Usage()
        self.redis = self.node = None
        self.sims = []
        # A device has four ports: in clear, TLS, redirection in clear, redirection with TLS.
        self.listener_port, self.device_port = free_port(), free_port(before=1, after=2)
        self.redis_socket = self.dir / "redis.sock"
        self.redis_conf = ROOT / "deploy/redis" / f"{durability}.conf"
        # The second chain is for AMT 22, which takes nothing weaker. SPEC: tls.md 5.4
        usual = make_provisioning(self.dir, bits=provisioning_bits)
        strong = make_provisioning(self.dir, "strong", bits=3072, root_bits=3072, digest="sha384") if strong_chain else None
        self.chains = [pair[:2] for pair in (usual, strong) if pair]
        self.root = self.dir / "roots.pem"
        self.root.write_text("".join(pair[2].read_text() for pair in (usual, strong) if pair))
        self._write_files(listeners, brokers, workers, conf or {}, profile)
        for name, text in (profiles or {}).items():  # besides the default one
            (self.dir / f"profiles/{name}.yaml").write_text(text)

    # ---- set-up ------------------------------------------------------------------------------

    def _write_files(self, listeners, brokers, workers, conf, profile):
        d = self.dir
        for sub in ("keys", "kek", "masters", "profiles", "redis", "ca"):
            (d / sub).mkdir(mode=0o700)
        source = ROOT / "deploy/profiles/default.yaml"
        (d / "profiles/default.yaml").write_text(profile or source.read_text())
        self.conf = merged({
            "node": {"listeners": listeners, "workers": workers},
            "log": {"level": "info", "format": "json"},
            "redis": {"url": f"unix://{self.redis_socket}"},
            "bus": {"keys_dir": str(d / "keys")},
            "listener": {"addresses": [f"127.0.0.1:{self.listener_port}"], "rate_per_subnet": 0},
            "worker": {
                "device_port": self.device_port, "profiles_dir": str(d / "profiles"), "default_profile": "default",
                "devices_file": str(d / "devices.csv"), "run_lease_ms": 8000,
                # The waits of real firmware would make a demo last minutes: shorter here.
                "waits": {"exchange_ms": 5000, "slow_exchange_ms": 8000, "reconnect_first_ms": 50, "reconnect_ms": 500,
                          "not_now_ms": 200, "password_ms": 200, "rung_ms": 100, "ca_poll_ms": 1000, "worn_ms": 1000},
                "retry_min_s": 1, "retry_max_s": 5,
            },
            "keys": {"kek_dir": str(d / "kek"), "kek_current": "demo", "masters_dir": str(d / "masters")},
            "ca": {"socket": str(d / "ca.sock"), "dir": str(d / "ca")},
            "test": {"trace_header": True},
        }, conf)
        text = to_yaml(self.conf)
        # Lists of mappings, which to_yaml does not write.
        links = [(free_port(), free_port()) for _ in range(brokers)]
        text = text.replace(f"keys_dir: {json.dumps(str(d / 'keys'))}", f"keys_dir: {json.dumps(str(d / 'keys'))}\n  brokers:\n" + "\n".join(
            f"    - {{front: \"tcp://127.0.0.1:{f}\", back: \"tcp://127.0.0.1:{b}\"}}" for f, b in links), 1)
        text = text.replace("  default_profile:", "  provisioning:\n" + "".join(
            f"    - {{chain: {json.dumps(str(chain))}, key: {json.dumps(str(key))}}}\n" for chain, key in self.chains) +
                            "  default_profile:", 1)
        self.config = d / "muster.yaml"
        self.config.write_text(text + "\n")

    def start(self, more_devices=""):
        """more_devices: further lines for the table of names, of estates with other seeds."""
        table = self.run("muster-sim", "devices", "--devices", str(self.devices), "--seed", str(self.seed), "--domain", DOMAIN,
                         "--profile", "default")
        (self.dir / "devices.csv").write_text(self.names(table) + more_devices)
        self.muster("keys", "new")
        self.muster("ca", "init")
        self.start_redis()
        self.start_node()

    def start_redis(self):
        self.redis = Process(["redis-server", str(self.redis_conf), "--port", "0", "--unixsocket",
                              str(self.redis_socket), "--dir", str(self.dir / "redis"), "--daemonize", "no"],
                             self.dir / "redis.log")
        wait_for(self._redis_answers, 30, f"redis-server (see {self.dir}/redis.log)")

    def _redis_answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(1)
                s.connect(str(self.redis_socket))
                s.sendall(b"PING\r\n")
                return s.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def start_node(self):
        self.node = Process([str(self.bin / "muster"), "node", "--config", str(self.config)], self.dir / "node.log")
        wait_for(self._listening, 30, f"the node to listen (see {self.dir}/node.log)")

    def _listening(self):
        if not self.node.alive():
            raise SiteError(f"muster node ended at once (see {self.dir}/node.log):\n" + self.tail("node.log"))
        try:
            socket.create_connection(("127.0.0.1", self.listener_port), 0.5).close()
            return True
        except OSError:
            return False

    def tail(self, name, lines=15):
        return "\n".join((self.dir / name).read_text(errors="replace").split("\n")[-lines:])

    # ---- commands ----------------------------------------------------------------------------

    def run(self, program, *args, stdin=None, check=True):
        done = subprocess.run([str(self.bin / program), *args], capture_output=True, text=True, check=False,
                              input=stdin, stdin=subprocess.DEVNULL if stdin is None else None)
        if check and done.returncode != 0:
            raise SiteError(f"{program} {' '.join(args[:2])} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def muster(self, *args, **kwargs):
        return self.run("muster", *args, "--config", str(self.config), **kwargs)

    def status(self):
        """Counts of jobs by state, or None while Redis is away."""
        text = self.muster("status", "--json", check=False)
        return json.loads(text) if text.strip() else None

    # ---- the estate --------------------------------------------------------------------------

    def import_pairs(self):
        """Give the server PID, PPS and MEBx password of every device, as a key file would have them."""
        pairs = self.dir / "pairs.csv"
        with open(os.open(pairs, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(self.run("muster-sim", "psk", "--devices", str(self.devices), "--seed", str(self.seed)))
        self.muster("psk", "import", str(pairs))

    def start_sim(self, *extra, devices=None, seed=None):
        """A simulated estate; its progress (JSON lines, summed over its processes) is sim.progress."""
        sim = Sim(self, devices or self.devices, seed or self.seed, extra)
        self.sims.append(sim)
        return sim

    # ---- processes ---------------------------------------------------------------------------

    def reload(self):
        """Have every program read profiles, rules and limits again."""
        os.kill(self.node.pid, signal.SIGHUP)

    def children(self):
        """(pid, role) of each program that the node runs now."""
        try:
            pids = pathlib.Path(f"/proc/{self.node.pid}/task/{self.node.pid}/children").read_text().split()
        except OSError:
            return []
        out = []
        for pid in pids:
            try:
                argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            name = os.path.basename(argv[0]).decode()
            if name.startswith("muster-"):
                out.append((int(pid), name.removeprefix("muster-")))
            elif b"ca" in argv:
                out.append((int(pid), "ca"))
        return out

    def sample(self):
        for pid, role in self.children():
            self.usage.sample(pid, role)
        if self.redis and self.redis.alive():
            self.usage.sample(self.redis.pid, "redis")
        for sim in self.sims:
            self.usage.sample(sim.pid, "sim")

    def stop(self):
        """Stop everything; True when all went in good order."""
        orderly = True
        for sim in self.sims:
            orderly &= sim.stop()
        for process in (self.node, self.redis):
            if process:
                orderly &= process.stop()
        return orderly

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def legacy_profile():
    """The profile as delivered, with old TLS, SHA-1 and PSK allowed."""
    text = (ROOT / "deploy/profiles/default.yaml").read_text()
    assert "legacy: false" in text
    return text.replace("legacy: false", "legacy: true")


class Sim:
    """muster-sim run: a child whose progress lines are kept."""

    def __init__(self, site, devices, seed, extra):
        number = len(site.sims)
        self.site, self.ledger = site, site.dir / f"ledger{number}.jsonl"
        processes = int(extra[extra.index("--processes") + 1]) if "--processes" in extra else 1
        self.ledgers = [self.ledger] if processes == 1 else [pathlib.Path(f"{self.ledger}.{part}") for part in range(processes)]
        self.parts, self.progress = {}, {}
        command = [str(site.bin / "muster-sim"), "run", "--devices", str(devices), "--seed", str(seed), "--listener",
                   f"127.0.0.1:{site.listener_port}", "--port", str(site.device_port), "--roots", str(site.root),
                   "--domain", DOMAIN, "--ledger", str(self.ledger), *extra]
        self.log = open(site.dir / f"sim{number}.log", "wb")
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, text=True)
        self.pid = self.popen.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        wait_for(lambda: len(self.parts) == processes or not self.alive(), 60, f"muster-sim (see {site.dir}/sim{number}.log)")
        if not self.alive():
            raise SiteError(f"muster-sim ended at once: {site.tail(f'sim{number}.log')}")

    def _read(self):
        for line in self.popen.stdout:
            try:
                now = json.loads(line)
            except ValueError:
                continue
            self.parts[now["part"]] = {key: n for key, n in now.items() if isinstance(n, int) and key != "part"}
            self.progress = {key: sum(part[key] for part in self.parts.values()) for key in self.parts[now["part"]]}

    def alive(self):
        return self.popen.poll() is None

    def stop(self):
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(30)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
                return False
        self.reader.join(5)
        self.log.close()
        return True

    def verify(self, *extra):
        """Join the ledger with the server's records; the passwords travel through a pipe only."""
        site = self.site
        export = subprocess.Popen([str(site.bin / "muster"), "device", "export", "--json", "--reveal", "--config",
                                   str(site.config)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        done = subprocess.run([str(site.bin / "muster-sim"), "verify", *(word for ledger in self.ledgers for word in ("--ledger", str(ledger))), "--records", "-",
                               "--ca-bundle", str(site.dir / "ca/root.pem"), "--ca-bundle", str(site.dir / "ca/issuing.pem"), "--profile",
                               str(site.dir / "profiles/default.yaml"), "--json", *extra],
                              stdin=export.stdout, capture_output=True, text=True, check=False)
        export.stdout.close()
        if export.wait() != 0:
            raise SiteError("muster device export failed")
        try:
            return json.loads(done.stdout)
        except ValueError as e:
            raise SiteError(f"muster-sim verify: {e}; it said {done.stderr.strip()[-1000:]}") from e


class Chaos(threading.Thread):
    """SIGKILL to a random worker, broker or listener every second, and to Redis twice.

    The driver restarts its private Redis on the same folder and socket (ruling 57); the node
    restarts its own children."""

    def __init__(self, site, rng, seconds=20, redis_at=(6, 13)):
        super().__init__(daemon=True)
        self.site, self.rng, self.seconds, self.redis_at = site, rng, seconds, set(redis_at)
        self.kills = collections.Counter()
        self.error = None

    def run(self):
        try:
            start = time.monotonic()
            for second in range(self.seconds):
                time.sleep(max(0, start + second + 1 - time.monotonic()))
                self._kill_one()
                if second in self.redis_at:
                    self.site.redis.popen.kill()
                    self.site.redis.popen.wait()
                    self.kills["redis"] += 1
                    self.site.start_redis()
        except (SiteError, OSError) as e:
            self.error = e

    def _kill_one(self):
        victims = [(pid, role) for pid, role in self.site.children() if role in ROLES]
        if not victims:
            return
        role = self.rng.choice(sorted({r for _, r in victims}))
        pid = self.rng.choice([p for p, r in victims if r == role])
        self.site.usage.sample(pid, role)
        try:
            os.kill(pid, signal.SIGKILL)
            self.kills[role] += 1
        except ProcessLookupError:
            pass
