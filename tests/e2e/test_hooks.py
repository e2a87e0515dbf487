#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hooks of every moment, as programs and as a signed https service, well and badly behaved. Each
misbehaviour is named, the other devices are provisioned meanwhile, nothing that a hook left behind
lives on, and what is told is told at least once, also when a worker dies in between."""
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import harness

SECRET = "an e2e secret of 32 bytes, no less"
WAIT_S = 120

# The program: what it does is said by its name in moods.json, by UUID; the default is to answer well.
PROGRAM = r"""#!/usr/bin/env python3
import json, os, pathlib, signal, subprocess, sys, time
here = pathlib.Path(sys.argv[0]).parent
facts = json.load(sys.stdin)
mood = json.loads((here / "moods.json").read_text()).get(facts["uuid"], "good")
answer = json.dumps({"fqdn": "h" + facts["uuid"][:8] + ".corp.example.com"})
if mood == "hang":
    time.sleep(600)
elif mood == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
elif mood == "flood":
    while True:
        sys.stdout.write("x" * 65536)
elif mood == "fork":
    child = subprocess.Popen(["sleep", "600"])
    (here / "child").write_text(str(child.pid))
elif mood == "nonsense":
    answer = "<html>"
elif mood == "exit":
    sys.exit("no database")
elif mood == "slow":
    time.sleep(0.2)
print(answer)
"""
# mood -> what the waiting job says, or None: the device is provisioned
MOODS = {
    "hang": "hook timed_out: stopped at its time limit of 2 s",
    "crash": "hook crashed: ended by signal 11",
    "flood": "hook flooded: it wrote more than 64 KiB",
    "nonsense": "hook nonsense: its answer is not a JSON object",
    "exit": "hook exit_status: exit status 1 no database",
    "fork": None,
    "slow": None,
}
WEB_MOODS = {
    "silent": "hook timed_out: stopped at its time limit of 2 s",
    "404": "hook http_status: HTTP status 404",
    "503 always": "hook http_status: HTTP status 503",
    "flood": "hook flooded: it wrote more than 64 KiB",
    "nonsense": "hook nonsense: its answer is not a JSON object",
    "wait": "hook says wait: not in the inventory",
    "503 once": None,
}
# Told: arguments and the moment go to a file, one line a run.
TELL = """#!/bin/sh
echo "$*" >>{dir}/told
"""
TELL_BADLY = """#!/bin/sh
told=$(cat)
echo "$told" >>{dir}/failures
case $told in *'"try":1'*) echo "no mail today" >&2; exit 3 ;; esac
"""
# The first run hangs until the test has killed its worker.
TELL_ONCE_DEAD = """#!/bin/sh
cat >>{dir}/after
[ -e {dir}/killed ] || {{ echo $$ >>{dir}/hanging; sleep 600; }}
"""
LEAVE = """#!/bin/sh
cat >>{dir}/leave
[ -e {dir}/may-go ] && exit 0
[ -e {dir}/broken ] && exit 3
echo '{{"refuse": true, "reason": "still in the pool"}}'
"""


def script(path, text, **names):
    path.write_text(text.format(**names) if names else text)
    path.chmod(0o755)
    return str(path)


class HookSite(harness.SiteTest):
    """A site without table of names, whose hooks live in a folder of the test."""

    DEVICES = 12

    @classmethod
    def hook_conf(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="muster-hooks-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        worker = {"devices_file": "", "max_attempts": 1, "waits": {"resolve_retry_ms": 3600000}}
        cls.SITE = {"devices": cls.DEVICES, "conf": {"worker": worker | cls.hook_conf()}}
        super().setUpClass()

    def uuids(self):
        return [line.split(",")[0] for line in (self.site.dir / "devices.csv").read_text().split("\n")[1:] if line]

    def read(self, name):
        path = self.dir / name
        return [line for line in path.read_text().split("\n") if line] if path.exists() else []

    def open(self, kind, uuid):
        return json.loads(self.site.muster("job", "open", kind, uuid, "--json"))["job"]

    def ended(self, job):
        def over():
            shown = json.loads(self.site.muster("job", "show", job, "--json"))
            return shown if shown["state"] in ("done", "dead") else None
        return self.wait(over, WAIT_S, f"job {job} to end")

    def judge_moods(self, moods, uuids):
        """The job of each bad mood waits and says why; every other device is provisioned."""
        bad = {uuids[mood]: why for mood, why in moods.items() if why}
        self.wait(lambda: self.status().get("done", 0) == self.DEVICES - len(bad)
                  and self.status().get("waiting", 0) == len(bad), WAIT_S, f"hook answers; {self.status()}")
        said = {job["device"]: job["error"] for job in self.jobs("waiting")}
        self.assertEqual(set(said), set(bad))
        for uuid, why in bad.items():
            self.assertIn(why, said[uuid])


class Programs(HookSite):
    @classmethod
    def hook_conf(cls):
        return {"hook": {"command": script(cls.dir / "hook.py", PROGRAM), "mode": "json", "timeout_s": 2, "concurrency": 4}}

    def test_each_misbehaviour_is_named(self):
        uuids = dict(zip(MOODS, self.uuids()))
        (self.dir / "moods.json").write_text(json.dumps({u: mood for mood, u in uuids.items()}))
        sim = self.site.start_sim()
        self.judge_moods(MOODS, uuids)
        child = int((self.dir / "child").read_text())
        self.wait(lambda: not pathlib.Path(f"/proc/{child}").exists() or " Z " in pathlib.Path(
            f"/proc/{child}/stat").read_text(), WAIT_S, "the child that a hook left behind to be killed")
        # It is mended: kicked, asked again, provisioned.
        (self.dir / "moods.json").write_text("{}")
        for job in self.jobs("waiting"):
            self.site.muster("job", "kick", job["job"])
        self.wait_settled(self.DEVICES, WAIT_S)
        self.assertEqual(self.status()["done"], self.DEVICES)
        sim.stop()


class Service(http.server.ThreadingHTTPServer):
    """A https service in this process that checks each signature by itself."""

    daemon_threads = True

    def __init__(self, folder):
        self.key = folder / "web.key"
        self.cert = folder / "web.pem"
        self.moods, self.seen, self.wrong = {}, [], []
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hook", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", str(self.key), "-out", str(self.cert)], check=True, capture_output=True)
        super().__init__(("127.0.0.1", 0), Answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # clients that give up are part of the test


class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def say(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def signed(self, body):
        parts = dict(p.split("=", 1) for p in self.headers.get("Muster-Signature", "").split(",") if "=" in p)
        right = hmac.new(SECRET.encode(), parts.get("t", "").encode() + b"." + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(right, parts.get("v1", "")) and abs(time.time() - int(parts["t"])) < 600

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.signed(body):
            self.server.wrong.append(body)
        told = json.loads(body)
        moment = self.headers["Muster-Moment"]
        first = not any(m == moment and t["uuid"] == told["uuid"] for m, _, t in self.server.seen)
        self.server.seen.append((moment, self.headers["Muster-Delivery"], told))
        mood = self.server.moods.get(told["uuid"], "") if moment == "on-hello" else ""
        if mood == "silent":
            time.sleep(30)
        elif mood == "404":
            self.say(404, "no such device")
        elif mood == "503 always" or (mood == "503 once" and first):
            self.say(503, "busy")
        elif mood == "flood":
            self.say(200, "x" * 1000000)
        elif mood == "nonsense":
            self.say(200, "<html>")
        elif mood == "wait":
            self.say(200, json.dumps({"wait": True, "reason": "not in the inventory"}))
        else:
            self.say(200, json.dumps({"fqdn": "w" + told["uuid"][:8] + ".corp.example.com"}))


class Web(HookSite):
    @classmethod
    def hook_conf(cls):
        cls.service = Service(cls.dir)
        cls.addClassCleanup(cls.service.shutdown)
        secret = cls.dir / "secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o600)
        hook = {"url": f"https://127.0.0.1:{cls.service.server_address[1]}/hook", "secret_file": str(secret),
                "ca_file": str(cls.service.cert), "timeout_s": 2, "retries": 1}
        return {"hook": hook, "hooks": {"after_configure": dict(hook)}}

    def test_signed_named_and_told(self):
        uuids = dict(zip(WEB_MOODS, self.uuids()))
        self.service.moods = {u: mood for mood, u in uuids.items()}
        sim = self.site.start_sim()
        self.judge_moods(WEB_MOODS, uuids)
        good = set(self.uuids()) - {uuids[mood] for mood, why in WEB_MOODS.items() if why}

        def told():
            return {t["uuid"]: t for m, _, t in self.service.seen if m == "after-configure"}
        self.wait(lambda: set(told()) == good, WAIT_S, "after-configure of all that were provisioned")
        for uuid, t in told().items():
            self.assertEqual((t["kind"], t["result"], t["profile"], t["fqdn"]), ("setup", "done", "default", f"w{uuid[:8]}.corp.example.com"))
        self.assertEqual(self.service.wrong, [], "a request is signed wrong")
        asked = [t["uuid"] for m, _, t in self.service.seen if m == "on-hello"]
        self.assertEqual({asked.count(uuids[mood]) for mood in ("503 once", "503 always", "silent")}, {2})
        self.assertEqual({asked.count(uuids[mood]) for mood in ("404", "nonsense")}, {1})
        sim.stop()


class Jobs(HookSite):
    DEVICES = 4

    @classmethod
    def hook_conf(cls):
        def hook(name, text, mode="json"):
            return {"command": script(cls.dir / name, text, dir=cls.dir), "mode": mode, "timeout_s": 2}
        (cls.dir / "moods.json").write_text("{}")
        return {"hook": {"command": script(cls.dir / "hook.py", PROGRAM), "mode": "json"},
                "hooks": {"after_configure": hook("after.sh", TELL_ONCE_DEAD) | {"timeout_s": 20},
                          "before_unconfigure": hook("leave.sh", LEAVE),
                          "after_unconfigure": hook("tell.sh", TELL, "args"),
                          "on_failure": hook("badly.sh", TELL_BADLY),
                          "retry_min_s": 1, "retry_max_s": 2}}

    def kill_worker_in_a_hook(self):
        """The device is done, its hook hangs, its worker dies: another one tells it again."""
        self.wait(lambda: len(self.read("hanging")) > 0, WAIT_S, "a hook that hangs")
        workers = [pid for pid, role in self.site.children() if role == "worker"]
        (self.dir / "killed").touch()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        for pid in self.read("hanging"):  # a killed worker cannot kill what it started
            subprocess.run(["kill", "-9", "--", f"-{pid}"], check=False, capture_output=True)

    def told_again(self):
        def complete():
            last = {}
            for line in self.read("after"):
                told = json.loads(line)
                last[told["uuid"]] = max(told["try"], last.get(told["uuid"], 0))
            return len(last) == self.DEVICES and max(last.values()) >= 2
        self.wait(complete, WAIT_S, "every device's after-configure, some for the second time")
        self.wait(lambda: not int(self.queued("after-configure")), WAIT_S, "an empty queue")

    def queued(self, moment):
        return subprocess.run(["redis-cli", "-s", str(self.site.redis_socket), "zcard", "muster:{0}:hookq:" + moment],
                              capture_output=True, text=True, check=True).stdout.strip()

    def leave(self, uuid):
        refused = self.ended(self.open("unconfigure", uuid))
        self.assertEqual(refused["state"], "dead")
        self.assertIn("before-unconfigure says no: still in the pool", refused["error"])
        (self.dir / "broken").touch()
        failed = self.ended(self.open("unconfigure", uuid))
        self.assertEqual(failed["state"], "dead")
        self.assertIn("before-unconfigure hook exit_status: exit status 3", failed["error"])
        (self.dir / "may-go").touch()
        self.assertEqual(self.ended(self.open("unconfigure", uuid))["state"], "done")
        asked = [json.loads(line) for line in self.read("leave")]
        self.assertEqual([(a["moment"], a["uuid"], a["full"]) for a in asked], [("before-unconfigure", uuid, False)] * 3)
        self.wait(lambda: self.read("told"), WAIT_S, "after-unconfigure")
        self.assertRegex(self.read("told")[0], rf"^moment=after-unconfigure uuid={uuid} .*fqdn=h{uuid[:8]}\S* .*kind=unconfigure result=done")

    def failures(self, uuid):
        """Both dead jobs are told; the first telling failed, is named in the stream, and came again."""
        self.wait(lambda: len({json.loads(t)["job"] for t in self.read("failures")}) == 2 and self.queued("on-failure") == "0",
                  WAIT_S, "on-failure of both jobs")
        told = [json.loads(line) for line in self.read("failures")]
        self.assertEqual(sorted((t["uuid"], t["reason"], t["try"]) for t in told),
                         [(uuid, reason, n) for reason in ("hook_failed", "hook_refused") for n in (1, 2)])
        stream = subprocess.run(["redis-cli", "-s", str(self.site.redis_socket), "xrange", "muster:{0}:ev", "-", "+"],
                                capture_output=True, text=True, check=True).stdout
        self.assertIn("on-failure exit_status: exit status 3 no mail today", stream)
        self.assertIn("on-failure told", stream)

    def test_told_and_asked(self):
        sim = self.site.start_sim()
        self.kill_worker_in_a_hook()
        self.wait_settled(self.DEVICES, WAIT_S)
        self.told_again()
        uuid = self.uuids()[0]
        self.leave(uuid)
        self.failures(uuid)
        sim.stop()


if __name__ == "__main__":
    unittest.TestCase.maxDiff = None
    harness.main()
