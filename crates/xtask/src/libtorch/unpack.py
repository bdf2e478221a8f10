"""Takes from one wheel what a C++ program needs of libtorch, for the CPU.

usage: unpack.py WHEEL DESTINATION

Shared objects go to DESTINATION/lib in one folder (each of them looks in its own folder,
$ORIGIN, for the others), headers to DESTINATION/include. What serves only CUDA or Python is left
out, and so is Linux's libtorch.so, which is a stub that needs the CUDA half.
"""

import os
import re
import shutil
import sys
import zipfile

SHARED_OBJECT = re.compile(r"\.so(\.\d+)*$|\.dylib$")
LEFT_OUT = re.compile(r"cuda(?!rt)|nvrtc|nvshmem|nvperf|pcsampling|checkpoint|python|shm|^libtorch\.so$")


def place(name):
    """The path below DESTINATION for a member of the wheel, or None to leave it out."""
    if name.startswith("torch/include/"):
        return name[len("torch/"):]
    folder, _, file = name.rpartition("/")
    in_lib = folder in ("torch/lib", "torch/.dylibs", "nvidia/cu13/lib")
    if in_lib and SHARED_OBJECT.search(file) and not LEFT_OUT.search(file):
        return "lib/" + file
    return None


def main(wheel, destination):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = place(member.filename)
            if path is None or member.is_dir():
                continue
            if ".." in path.split("/"):
                sys.exit(f"{wheel}: the member {member.filename} leaves its folder")
            path = os.path.join(destination, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(member) as source, open(path, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


main(*sys.argv[1:])
