//! `cargo xtask mujoco`: the physics engine of the locomotion study, once, from a wheel whose digest is pinned.
//!
//! As [`crate::libtorch`]: through pip, so that the user's mirror, proxy and cache settings hold; a folder that is whole or
//! absent. Out of the wheel come the library and its licences (7 MB). A `MUJOCO_DYNAMIC_LINK_DIR` that the user has set
//! is used as it is. Nothing but `potluck-locomotion` needs it, and that only with its feature `mujoco`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::toolchain::{Toolchain, root, run, target_dir};

/// The version that the `mujoco-rs` in our `Cargo.lock` was written for.
const VERSION: &str = "3.17.0";

/// By what `mujoco-rs` finds the folder.
pub(crate) const LINK_DIR: &str = "MUJOCO_DYNAMIC_LINK_DIR";

/// What one platform is served.
struct Platform {
    /// Stands in the folder's name.
    name: &'static str,
    /// pip's platform tag, asked for by name, so that the local Python's version and libc do not choose.
    tag: &'static str,
    /// SHA-256 of the one file that we accept.
    sha256: &'static str,
    /// The library in the wheel, and the name under which the linker looks for it.
    library: (&'static str, &'static str),
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const PLATFORM: Option<Platform> = Some(Platform {
    name: "linux-x86_64",
    tag: "manylinux_2_28_x86_64",
    sha256: "d66928d86a2d1b601bbaa4dc11db50214d17d5301bb8afd84721313b67ff0874",
    library: ("libmujoco.so.3.17.0", "libmujoco.so"),
});

/// Resolved, but not run by us.
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const PLATFORM: Option<Platform> = Some(Platform {
    name: "linux-aarch64",
    tag: "manylinux_2_28_aarch64",
    sha256: "91a70ed9979c383ff1f5c03f25cc2e1280a8254c1a8e558d5dd7f4184f01efc9",
    library: ("libmujoco.so.3.17.0", "libmujoco.so"),
});

/// Resolved, but not run by us.
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
const PLATFORM: Option<Platform> = Some(Platform {
    name: "macos-aarch64",
    tag: "macosx_11_0_arm64",
    sha256: "6c324addca24a24a7b0beff2ec49300e9d4481fd8ccd611514ba7ea8e4a5e870",
    library: ("libmujoco.3.17.0.dylib", "libmujoco.dylib"),
});

/// Elsewhere the user brings a MuJoCo and sets the variable.
#[cfg(not(any(
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
    all(target_os = "macos", target_arch = "aarch64")
)))]
const PLATFORM: Option<Platform> = None;

/// Prints the library's folder, after making sure that it is there.
///
/// # Errors
/// As [`ensure`].
pub(crate) fn print_path() -> Result<()> {
    println!("{}", ensure()?.display());
    Ok(())
}

/// Builds `potluck-locomotion` with its engine, and returns the program's path. `beside` are arguments that name what
/// was built before, so that cargo chooses the features of dependencies alike.
///
/// # Errors
/// When the engine or libtorch cannot be had, or the build fails.
pub(crate) fn build_program(
    toolchain: &Toolchain,
    beside: impl Iterator<Item = &'static str>,
) -> Result<PathBuf> {
    let mut build = toolchain.cargo();
    build.args(["build", "--release", "--package", PACKAGE]).args(beside);
    build.args(["--features", "potluck-locomotion/mujoco"]);
    run(build.env(LINK_DIR, ensure()?))?;
    Ok(target_dir().join("release").join(PACKAGE))
}

/// Runs the tests of `potluck-locomotion` with its engine.
///
/// # Errors
/// When the engine or libtorch cannot be had, or a test fails.
pub(crate) fn test() -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let mut test = toolchain.cargo();
    test.args(["test", "--release", "--package", PACKAGE, "--features", "mujoco"]);
    run(test.env(LINK_DIR, ensure()?))
}

/// Builds the program, and says where it is.
///
/// # Errors
/// As [`build_program`].
pub(crate) fn print_program() -> Result<()> {
    println!("{}", build_program(&Toolchain::set_up()?, std::iter::empty())?.display());
    Ok(())
}

/// The one package that knows the engine.
const PACKAGE: &str = "potluck-locomotion";

/// Returns the library's folder: the user's, or ours, which is made if it is not there.
///
/// # Errors
/// When the user's folder does not exist, when pip cannot fetch the wheel or its digest differs, or when the disk fails.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os(LINK_DIR).map(PathBuf::from) {
        if !chosen.is_absolute() || !chosen.is_dir() {
            bail!("{LINK_DIR} is {}, which is no folder by its absolute path", chosen.display());
        }
        return Ok(chosen);
    }
    let Some(platform) = PLATFORM else {
        bail!("there is no pinned wheel for this platform; set {LINK_DIR} to a MuJoCo {VERSION}");
    };
    let home = root().join("target/mujoco");
    let folder = home.join(format!("{VERSION}-{}", platform.name));
    if !folder.is_dir() {
        install(&platform, &home, &folder).context("cannot install MuJoCo")?;
    }
    Ok(folder)
}

/// Fetches and unpacks in a scratch folder that no other run shares, and leaves none behind.
fn install(platform: &Platform, home: &Path, folder: &Path) -> Result<()> {
    let scratch = home.join(format!(".unfinished-{}", std::process::id()));
    let installed = install_by_way_of(platform, &scratch, folder);
    let removed = fs::remove_dir_all(&scratch);
    installed.and_then(|()| removed.with_context(|| format!("cannot remove {}", scratch.display())))
}

fn install_by_way_of(platform: &Platform, scratch: &Path, folder: &Path) -> Result<()> {
    let (wheels, unpacked) = (scratch.join("wheels"), scratch.join("mujoco"));
    fs::create_dir_all(&wheels).with_context(|| format!("cannot create {}", wheels.display()))?;
    download(platform, &wheels)?;
    let script = include_str!("mujoco/unpack.py");
    let (library, link) = platform.library;
    let mut unpack = Command::new("python3");
    run(unpack.args(["-c", script]).arg(&wheels).arg(&unpacked).args([library, link]))
        .context("cannot unpack the wheel")?;
    match fs::rename(&unpacked, folder) {
        // Another run may have been faster; its folder is as good as ours.
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot create {}", folder.display())),
    }
}

/// Has pip fetch the wheel; pip itself refuses a file whose digest is not the pinned one.
fn download(platform: &Platform, wheels: &Path) -> Result<()> {
    eprintln!("downloading MuJoCo {VERSION} (some 27 MB, once)");
    let requirements = wheels.join("requirements.txt");
    fs::write(&requirements, format!("mujoco=={VERSION} --hash=sha256:{}\n", platform.sha256))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]);
    pip.args(["--platform", platform.tag, "--progress-bar", "off"]);
    pip.arg("--dest").arg(wheels).arg("--requirement").arg(&requirements);
    // Our own standard output is for the path alone.
    pip.stdout(Stdio::from(std::io::stderr()));
    run(&mut pip).context("pip could not fetch MuJoCo (Python 3 with pip is needed)")
}
