"""Takes from the one wheel in a folder what a program needs of MuJoCo: the library, a link to it, and the licences.

usage: unpack.py WHEELS DESTINATION LIBRARY LINK
"""

import os
import pathlib
import shutil
import sys
import zipfile


def main(wheels, destination, library, link):
    (wheel,) = pathlib.Path(wheels).glob("*.whl")
    os.makedirs(destination)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            folder, _, file = member.filename.rpartition("/")
            if member.filename != "mujoco/" + library and not (folder.endswith("/licenses") and file):
                continue
            with archive.open(member) as source, open(os.path.join(destination, file), "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    if not os.path.isfile(os.path.join(destination, library)):
        sys.exit(f"{wheel}: there is no {library}")
    # By this name the linker looks for it.
    os.symlink(library, os.path.join(destination, link))


main(*sys.argv[1:])
