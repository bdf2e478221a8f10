"""Uploads through Flower with its defaults: python flower.py FOLDER MEBIBYTES CLIENTS RUNS

A SuperLink, a SuperNode for each client, and an app whose clients answer with their parameters, all on this machine.
The last line is JSON: the seconds and processor seconds of each run, and the most memory of the SuperLink and of the
server's app. `cargo xtask bench transport --flower` runs this.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")
PROJECT = """
[project]
name = "transfer"
version = "1.0.0"
description = ""
license = "Apache-2.0"
dependencies = []
[tool.flwr.app]
publisher = "potluck"
[tool.flwr.app.components]
serverapp = "flower_app:server"
clientapp = "flower_app:client"
[tool.flwr.app.config]
clients = {clients}
mebibytes = {mebibytes}
result = "{result}"
made = "{made}"
"""


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def descendants(roots):
    """All processes below these, with them."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = [], list(roots)
    while left:
        found.append(left.pop())
        left.extend(children.get(found[-1], []))
    return found


def look(pid):
    """Processor seconds with those of ended children, peak memory in bytes, and the command."""
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return sum(map(int, stat[11:15])) / TICKS, int(peak[0]) << 10 if peak else 0, command


class Watch:
    """What all processes of a run take, by looking at them again and again."""

    def __init__(self, roots):
        self.roots, self.cpu, self.peaks = roots, {}, {}

    def look(self):
        for pid in descendants(self.roots):
            try:
                cpu, peak, command = look(pid)
            except OSError:
                continue
            self.cpu[pid] = cpu
            for name in ("flower-superlink", "flwr-serverapp", "flwr-clientapp"):
                if name in command:
                    self.peaks[name] = max(peak, self.peaks.get(name, 0))

    def total(self):
        return sum(self.cpu.values())


def one_run(folder, mebibytes, clients, env, watch):
    made, result, app = folder / "made", folder / "result.json", folder / "app"
    for old in (made, app):
        shutil.rmtree(old, ignore_errors=True)
    result.unlink(missing_ok=True)
    made.mkdir()
    app.mkdir()
    shutil.copy(HERE / "flower_app.py", app)
    values = {"clients": clients, "mebibytes": mebibytes, "result": result, "made": made}
    (app / "pyproject.toml").write_text(PROJECT.format(**values))
    watch.look()
    before = watch.total()
    subprocess.run([PROGRAMS / "flwr", "run", app, "here"], env=env, check=True, stdout=sys.stderr)
    deadline = time.time() + 900
    while not result.exists():
        if time.time() > deadline or any(it.poll() is not None for it in watch.processes):
            raise SystemExit("Flower gave no result; its logs are in " + str(folder))
        time.sleep(0.05)
        watch.look()
    told = json.loads(result.read_text())
    watch.look()
    told["cpu_seconds"] = watch.total() - before
    return told


def main():
    folder, mebibytes, clients, runs = Path(sys.argv[1]).absolute(), *map(int, sys.argv[2:5])
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    env = dict(os.environ, FLWR_HOME=str(home), FLWR_TELEMETRY_ENABLED="0", TMPDIR=str(folder))
    env["PATH"] = f"{PROGRAMS}:{env['PATH']}"
    port = free_port()
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "here"\n[superlink.here]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    processes = []
    try:
        start = lambda name, *args: processes.append(
            subprocess.Popen(
                [PROGRAMS / name, "--insecure", *args],
                env=env, stdout=open(folder / f"{name}-{len(processes)}.log", "w"), stderr=subprocess.STDOUT,
            )
        )
        start(
            "flower-superlink", "--host", "127.0.0.1", "--port", str(port),
        )
        deadline = time.time() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.time() < deadline:
            time.sleep(0.1)
        for number in range(clients):
            start("flower-supernode", "--superlink", f"127.0.0.1:{port}",
                  "--port", str(free_port()))
        watch = Watch([it.pid for it in processes])
        watch.processes = processes
        told = [one_run(folder, mebibytes, clients, env, watch) for _ in range(runs)]
        print(json.dumps({"runs": told, "peak_rss_bytes": watch.peaks}))
    finally:
        # Those that Flower started, too: it leaves some behind.
        for pid in descendants([it.pid for it in processes]):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in processes:
            process.wait()


# Whoever stops this stops what it started.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
main()
