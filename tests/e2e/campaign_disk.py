"""The campaign's disk: a file system of its own, which can be full, and whose machine can lose its power.

A killed process leaves the kernel's page cache as it is. So campaign_disk.c, preloaded into walrow, notes what each
fsync made durable; lose_power() then puts in place of a folder what POSIX promises to be there after a power failure:
files as they were at their last fsync, under the names that their directories had at theirs. Some of what was not
synced may be there, too.
"""

import contextlib
import os
import shutil
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = "16G"


def build_preload(folder):
    """The library of campaign_*.c."""
    library = os.path.join(folder, "campaign.so")
    sources = [os.path.join(HERE, name) for name in ("campaign_clock.c", "campaign_disk.c")]
    words = ["cc", "-D_GNU_SOURCE", "-std=c11", "-O1", "-Wall", "-shared", "-fPIC", "-o", library, *sources]
    subprocess.run([*words, "-ldl", "-pthread"], check=True)
    return library


class Disk:
    """Where sinks and states are. Only root may make a file system: else there are no faults of it."""

    def __init__(self, folder):
        self.folder, self.mounted = os.path.join(folder, "disk"), False
        os.mkdir(self.folder)
        if os.geteuid() == 0:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", self.folder], check=True)
            self.mounted = True

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True, capture_output=True)

    def fill(self):
        used = shutil.disk_usage(self.folder).used
        for room in (1 << 16, 1 << 20, 1 << 22):  # what came meanwhile must fit
            with contextlib.suppress(subprocess.CalledProcessError):
                return self.resize(used + room)

    def free(self):
        self.resize(SIZE)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.folder], check=True)


class Durable:
    """What is durable of one folder, as the notes say. For use while nothing writes there."""

    def __init__(self, folder, notes):
        self.folder, self.notes, self.gone = folder, notes, folder + ".gone"
        os.makedirs(self.gone)
        self.note_all()

    def environment(self):
        return {"WALROW_DISK": self.gone, "WALROW_DISK_NOTES": self.notes}

    def note_all(self):
        """All that is there now is durable."""
        for path in (self.notes, self.gone):
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.gone, os.path.join(self.notes, "undo"), os.path.join(self.notes, "names")):
            os.makedirs(path)
        with open(os.path.join(self.notes, "sizes"), "wb") as sizes:
            for parent, folders, names in os.walk(self.folder):
                inodes = {name: os.lstat(os.path.join(parent, name)) for name in [*folders, *names]}
                lines = [f"{st.st_ino} {'d' if name in folders else 'f'} {name}\n" for name, st in inodes.items()]
                with open(self.note("names", os.lstat(parent).st_ino), "w", encoding="utf-8") as file:
                    file.writelines(lines)
                for name in names:
                    sizes.write(struct.pack("=Qq", inodes[name].st_ino, inodes[name].st_size))

    def note(self, kind, inode):
        return os.path.join(self.notes, kind, str(inode))

    def names(self, inode):
        """[(inode, is a folder, name)] of a folder that is durable."""
        try:
            with open(self.note("names", inode), encoding="utf-8") as file:
                lines = [line.rstrip("\n").split(" ", 2) for line in file]
        except FileNotFoundError:
            return []
        return [(int(child), kind == "d", name) for child, kind, name in lines]

    def tidy(self):
        """Forget files that no durable name leads to."""
        wanted = {child for inode in os.listdir(os.path.join(self.notes, "names")) if inode.isdigit()
                  for child, _, _ in self.names(inode)}  # fmt: skip
        for inode in os.listdir(self.gone):
            if int(inode) not in wanted:
                os.unlink(os.path.join(self.gone, inode))

    # -- the power failure --

    def lose_power(self, keeps=lambda: False):
        """keeps(): whether what was not synced of a file or folder is there all the same."""
        files = {entry.inode(): entry.path for entry in os.scandir(self.gone)}
        for parent, _, names in os.walk(self.folder):
            files |= {os.lstat(path).st_ino: path for path in (os.path.join(parent, name) for name in names)}
        folders = {os.lstat(parent).st_ino: parent for parent, _, _ in os.walk(self.folder)}
        after = self.folder + ".after"
        self.rebuild(os.lstat(self.folder).st_ino, after, files, folders, self.sizes(), keeps)
        shutil.rmtree(self.folder)
        os.rename(after, self.folder)
        self.note_all()

    def sizes(self):
        with open(os.path.join(self.notes, "sizes"), "rb") as file:
            data = file.read()
        return dict(struct.iter_unpack("=Qq", data[: len(data) // 16 * 16]))

    def rebuild(self, inode, target, files, folders, sizes, keeps):
        names = self.names(inode)
        if inode in folders and keeps():
            names = [(entry.inode(), entry.is_dir(), entry.name) for entry in os.scandir(folders[inode])]
        os.mkdir(target)
        for child, is_folder, name in names:
            path = os.path.join(target, name)
            if is_folder:
                self.rebuild(child, path, files, folders, sizes, keeps)
            else:
                os.link(files[child], path)
                if not keeps():
                    self.forget_unsynced(path, child, sizes.get(child, 0))

    def forget_unsynced(self, path, inode, size):
        undone = []
        with contextlib.suppress(FileNotFoundError), open(self.note("undo", inode), "rb") as undo:
            while len(head := undo.read(16)) == 16:
                start, count = struct.unpack("=qq", head)
                undone.append((start, undo.read(count)))
        if not undone and os.path.getsize(path) == size:
            return
        with open(path, "r+b") as file:
            for start, data in reversed(undone):
                file.seek(start)
                file.write(data)
            file.truncate(size)
