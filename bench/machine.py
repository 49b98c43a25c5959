"""What a run was made on and with."""

import os
import platform
import subprocess

from clients import ROOT, WALROW


def describe(server):
    cores, memory_kb = os.cpu_count(), first_value("/proc/meminfo", "MemTotal").split()[0]
    return {
        "processor": f"{first_value('/proc/cpuinfo', 'model name')}, {cores} cores",
        "memory": f"{int(memory_kb) / 2**20:.0f} GiB",
        "system": f"{first_value('/etc/os-release', 'PRETTY_NAME', '=')}, Linux {platform.release()}",
        "PostgreSQL": server.sql("SHOW server_version")[0][0] + ", fsync off",
        "walrow": f"{output(WALROW, 'version').split()[-1]}, commit {commit()}",
        "wal2json, decoderbufs": f"{package('wal2json')}, {package('decoderbufs')}",
    }


def commit():
    return output("git", "-C", ROOT, "describe", "--always", "--dirty") or "unknown"


def package(plugin):
    return output("dpkg-query", "-W", "-f", "${Version}", f"postgresql-15-{plugin}") or "unknown"


def first_value(path, name, separator=":"):
    try:
        with open(path, encoding="utf-8") as file:
            values = (line.split(separator, 1)[1] for line in file if line.startswith(name))
            return next(values, "unknown").strip(' "\t\n')
    except FileNotFoundError:
        return "unknown"


def output(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        return done.stdout.strip()
    except FileNotFoundError:
        return ""
