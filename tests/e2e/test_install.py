"""`make install` gives a library that others can build on."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import ROOT

PREFIX = "/usr/local"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """DESTDIR, with what `make install` puts there for its default prefix."""
    folder = tmp_path_factory.mktemp("install")
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    command = ["make", "-s", "install", f"DESTDIR={folder}", f"PREFIX={PREFIX}"]
    subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return str(folder)


def pkg_config(installed, *words):
    env = os.environ | {
        "PKG_CONFIG_PATH": f"{installed}{PREFIX}/lib/pkgconfig",
        "PKG_CONFIG_SYSROOT_DIR": installed,
    }
    done = subprocess.run(["pkg-config", *words, "walrow"], env=env, check=True, stdout=subprocess.PIPE, text=True)
    return shlex.split(done.stdout)


def test_the_installed_command_finds_its_library(installed, walrow):
    walrow.binary = f"{installed}{PREFIX}/bin/walrow"
    assert walrow("version", code=0).out.startswith("walrow ")


@pytest.fixture(scope="module")
def example(installed, tmp_path_factory):
    """examples/01_basic/basic.c, built with what pkg-config says."""
    folder = tmp_path_factory.mktemp("example")
    program = str(folder / "basic")
    source = os.path.join(ROOT, "examples", "01_basic", "basic.c")
    flags = pkg_config(installed, "--cflags", "--libs")
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", source, "-o", program, *flags], check=True)

    def run(*arguments):
        env = os.environ | {"LD_LIBRARY_PATH": f"{installed}{PREFIX}/lib", "XDG_STATE_HOME": str(folder)}
        return subprocess.run([program, *arguments], env=env, stdout=subprocess.PIPE, text=True, timeout=60, check=False)

    return run


def test_the_example_prints_rows_and_changes(example, db):
    db.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    first = example(db.dsn(), "public.t", "basic", "now")
    db.sql("INSERT INTO t VALUES (2); DELETE FROM t WHERE id = 1")
    second = example(db.dsn(), "public.t", "basic", "now")
    assert (first.returncode, second.returncode) == (0, 0)
    assert [line.split()[::2] for line in first.stdout.splitlines()] == [["R", "1"]]
    assert [line.split()[::2] for line in second.stdout.splitlines()] == [["I", "2"], ["D", "1"]]


def test_only_what_belongs_to_it_is_installed(installed):
    found = {
        os.path.relpath(os.path.join(parent, name), installed + PREFIX)
        for parent, _, names in os.walk(installed)
        for name in names
    }
    assert {"bin/walrow", "include/walrow.h", "lib/libwalrow.so", "lib/pkgconfig/walrow.pc"} <= found
    strange = [f for f in found if not f.startswith(("bin/walrow", "include/walrow.h", "lib/", "share/"))]
    assert strange == []


# ---- manual page and completion -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manual(installed):
    return f"{installed}{PREFIX}/share/man/man1/walrow.1"


def helped_options(walrow):
    """{command: the long options of its --help}"""
    overview = walrow("help", code=0).out.split("In two lines")[0]
    commands = re.findall(r"^  (\w+) ", overview, re.M)
    return {c: set(re.findall(r"^ {2,6}(?:-\w, )?(--[a-z0-9-]+)", walrow("help", c, code=0).out, re.M)) for c in commands}


def test_the_manual_has_every_command_and_option(manual, walrow):
    with open(manual) as file:
        text = file.read().replace("\\-", "-")
    options = helped_options(walrow)
    assert len(set.union(*options.values())) >= 40
    for command, names in options.items():
        section = re.search(rf"^\.SS walrow {command}\b(.*?)^\.S", text, re.M | re.S).group(1)
        assert set(re.findall(r"^--[a-z0-9-]+$", section, re.M)) == names, command
    described = set(re.findall(r"^\\fB(?:-\w\\fR, \\fB)?(--[a-z0-9-]+)\\fR", text, re.M))
    assert described == set.union(*options.values())


@pytest.mark.parametrize("reader", [("mandoc", "-T", "utf8", "-W", "error"), ("man", "--warnings", "-l")])
def test_readers_of_manuals_accept_it(manual, reader):
    if shutil.which(reader[0]) is None:
        pytest.skip(f"there is no {reader[0]} here")
    env = os.environ | {"LC_ALL": "C.UTF-8", "MANPAGER": "cat", "MANWIDTH": "200"}
    done = subprocess.run([*reader, manual], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "walrow - stream PostgreSQL's changes" in done.stdout
    assert "--batch-delay MS" in re.sub(".\b", "", done.stdout)


def completions(installed, *words):
    """What bash offers for the last word."""
    script = f"""
        source {installed}{PREFIX}/share/bash-completion/completions/walrow
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _walrow; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-uc", script, "bash", *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_their_values(installed, walrow):
    options = helped_options(walrow)
    assert completions(installed, "walrow", "") == set(options)
    assert completions(installed, "walrow", "help", "st") == {"stream", "status"}
    del options["help"]
    for command, names in options.items():
        assert completions(installed, "walrow", command, "--") == names | {"--help"}
    assert completions(installed, "walrow", "stream", "--transport", "pu") == {"push", "pull"}
    assert completions(installed, "walrow", "stream", "--batch-rows", "") == set()
    assert "/etc" in completions(installed, "walrow", "stream", "--state", "/et")


def test_the_unit_starts_what_is_installed(installed):
    with open(f"{installed}{PREFIX}/lib/systemd/system/walrow@.service") as file:
        unit = file.read()
    assert f"ExecStart={PREFIX}/bin/walrow stream --config" in unit
    assert {"Type=notify", "WatchdogSec=10min"} <= set(unit.splitlines())
