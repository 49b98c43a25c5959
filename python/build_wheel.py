"""What pip asks to make the wheel (PEP 517): the package, and libwalrow.so where the clone it lies in has built one."""

import base64
import hashlib
import os
import sysconfig
import tomllib
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.join(HERE, "..", "build", "libwalrow.so")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open(os.path.join(HERE, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)["project"]
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_") if os.path.exists(LIBRARY) else "any"
    tag, info = f"py3-none-{platform}", f"{project['name']}-{project['version']}.dist-info"
    name = f"{project['name']}-{project['version']}-{tag}.whl"
    files = package() | {f"{info}/METADATA": metadata(project), f"{info}/WHEEL": wheel(tag)}
    files[f"{info}/RECORD"] = record(files, info)
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return name


def package():
    """{path in the wheel: content}"""
    folder = os.path.join(HERE, "walrow")
    paths = {f"walrow/{name}": os.path.join(folder, name) for name in sorted(os.listdir(folder))}
    paths = {name: path for name, path in paths.items() if name.endswith((".py", "py.typed"))}
    if os.path.exists(LIBRARY):
        paths["walrow/libwalrow.so"] = LIBRARY
    return {name: content(path) for name, path in paths.items()}


def content(path):
    with open(path, "rb") as file:
        return file.read()


def metadata(project):
    return (
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        f"Summary: {project['description']}\nRequires-Python: {project['requires-python']}\n"
    ).encode()


def wheel(tag):
    pure = str(tag.endswith("any")).lower()
    return f"Wheel-Version: 1.0\nGenerator: walrow\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()


def record(files, info):
    lines = [f"{path},sha256={digest(content)},{len(content)}" for path, content in files.items()]
    return "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()


def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
