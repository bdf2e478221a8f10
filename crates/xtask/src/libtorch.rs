//! `cargo xtask libtorch`: libtorch for the trainer, once, from wheels whose digests are pinned.
//!
//! The wheels come through pip, so that the user's mirror, proxy and cache settings hold. Only
//! what the CPU needs is unpacked (500 MB instead of 2 GB), and the folder appears by one rename:
//! it is whole or absent. A `LIBTORCH` that the user has set is used as it is. Called by
//! [`crate::toolchain::Toolchain::set_up`]; `crates/potluck-train/build.rs` writes the folder into
//! the programs as their run path, so that no `LD_LIBRARY_PATH` is needed.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::toolchain::{root, run};

/// The version that the `tch` in our `Cargo.lock` was written for.
const VERSION: &str = "2.13.0";

/// One pinned wheel.
struct Wheel {
    /// Package and exact version, as pip wants it.
    requirement: &'static str,
    /// SHA-256 of the one file that we accept.
    sha256: &'static str,
}

/// What one platform is served.
struct Platform {
    /// Stands in the folder's name.
    name: &'static str,
    /// pip's platform tags, widest first: asked for by name, so that the local Python's version
    /// and libc do not choose.
    tags: &'static [&'static str],
    wheels: &'static [Wheel],
}

/// libtorch_cpu itself links the CUDA run time and its profiler, hence three wheels.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const PLATFORM: Platform = Platform {
    name: "linux-x86_64",
    tags: &["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux2014_x86_64"],
    wheels: &[
        Wheel {
            requirement: "torch==2.13.0",
            sha256: "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
        },
        Wheel {
            requirement: "nvidia-cuda-runtime==13.0.96",
            sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        },
        Wheel {
            requirement: "nvidia-cuda-cupti==13.0.85",
            sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        },
    ],
};

/// Resolved and read, but not run by us.
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const PLATFORM: Platform = Platform {
    name: "linux-aarch64",
    tags: &["manylinux_2_28_aarch64", "manylinux_2_25_aarch64", "manylinux2014_aarch64"],
    wheels: &[
        Wheel {
            requirement: "torch==2.13.0",
            sha256: "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c",
        },
        Wheel {
            requirement: "nvidia-cuda-runtime==13.0.96",
            sha256: "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
        },
        Wheel {
            requirement: "nvidia-cuda-cupti==13.0.85",
            sha256: "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
        },
    ],
};

/// Resolved and read, but not run by us. This wheel knows no CUDA and stands alone.
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
const PLATFORM: Platform = Platform {
    name: "macos-aarch64",
    tags: &["macosx_14_0_arm64"],
    wheels: &[Wheel {
        requirement: "torch==2.13.0",
        sha256: "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8",
    }],
};

/// Elsewhere the user brings a libtorch and sets `LIBTORCH`.
#[cfg(not(any(
    all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
    all(target_os = "macos", target_arch = "aarch64")
)))]
const PLATFORM: Platform = Platform { name: "unknown", tags: &[], wheels: &[] };

/// Prints libtorch's folder, after making sure that it is there.
///
/// # Errors
/// As [`ensure`].
pub(crate) fn print_path() -> Result<()> {
    println!("{}", ensure()?.display());
    Ok(())
}

/// Returns libtorch's folder: the user's `LIBTORCH`, or ours, which is made if it is not there.
///
/// # Errors
/// When the user's folder holds no libtorch, when pip cannot fetch a wheel or its digest differs,
/// or when the disk fails.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os("LIBTORCH").map(PathBuf::from) {
        if !chosen.join("lib").is_dir() {
            bail!("LIBTORCH is set to {}, which has no lib folder", chosen.display());
        }
        return Ok(chosen);
    }
    let home = root().join("target/libtorch");
    let folder = home.join(format!("{VERSION}-{}-cpu", PLATFORM.name));
    if !folder.is_dir() {
        install(&home, &folder).context("cannot install libtorch")?;
    }
    Ok(folder)
}

/// Fetches and unpacks in a scratch folder that no other run shares, and leaves none behind.
fn install(home: &Path, folder: &Path) -> Result<()> {
    if PLATFORM.wheels.is_empty() {
        bail!("there is no pinned wheel for this platform; set LIBTORCH to a libtorch {VERSION}");
    }
    let scratch = home.join(format!(".unfinished-{}", std::process::id()));
    let installed = install_by_way_of(&scratch, folder);
    let removed = fs::remove_dir_all(&scratch);
    installed.and_then(|()| removed.with_context(|| format!("cannot remove {}", scratch.display())))
}

fn install_by_way_of(scratch: &Path, folder: &Path) -> Result<()> {
    let (wheels, unpacked) = (scratch.join("wheels"), scratch.join("libtorch"));
    fs::create_dir_all(&wheels).with_context(|| format!("cannot create {}", wheels.display()))?;
    download(&wheels)?;
    let begin = Instant::now();
    unpack(&wheels, &unpacked)?;
    finish_folder(&unpacked)?;
    eprintln!("unpacked in {:.1} s", begin.elapsed().as_secs_f64());
    match fs::rename(&unpacked, folder) {
        // Another run may have been faster; its folder is as good as ours.
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot create {}", folder.display())),
    }
}

/// Has pip fetch every wheel; pip itself refuses a file whose digest is not the pinned one.
fn download(wheels: &Path) -> Result<()> {
    eprintln!("downloading libtorch {VERSION} (some 540 MB, once)");
    let requirements = wheels.join("requirements.txt");
    let mut list = fs::File::create(&requirements)?;
    for Wheel { requirement, sha256 } in PLATFORM.wheels {
        writeln!(list, "{requirement} --hash=sha256:{sha256}")?;
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]);
    pip.args(["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]);
    pip.args(PLATFORM.tags.iter().flat_map(|tag| ["--platform", tag]));
    if !std::io::stderr().is_terminal() {
        pip.args(["--progress-bar", "off"]);
    }
    pip.arg("--dest").arg(wheels).arg("--requirement").arg(&requirements);
    // Our own standard output is for the path alone.
    pip.stdout(Stdio::from(std::io::stderr()));
    run(&mut pip).context("pip could not fetch libtorch (Python 3 with pip is needed)")
}

/// Takes libraries and headers out of every downloaded wheel.
fn unpack(wheels: &Path, unpacked: &Path) -> Result<()> {
    for entry in fs::read_dir(wheels)? {
        let wheel = entry?.path();
        if wheel.extension().is_some_and(|extension| extension == "whl") {
            let script = include_str!("libtorch/unpack.py");
            run(Command::new("python3").args(["-c", script]).arg(&wheel).arg(unpacked))
                .with_context(|| format!("cannot unpack {}", wheel.display()))?;
        }
    }
    Ok(())
}

/// Adds what the wheels lack but the linker and `torch-sys` ask for.
fn finish_folder(unpacked: &Path) -> Result<()> {
    // torch-sys compares it with the version that it was written for.
    fs::write(unpacked.join("build-version"), VERSION)?;
    if cfg!(target_os = "linux") {
        let lib = unpacked.join("lib");
        // `-ltorch` would find a stub that only pulls in the CUDA half: a linker script instead.
        fs::write(lib.join("libtorch.so"), "INPUT(libtorch_cpu.so)\n")?;
        // `-lgomp` must find the OpenMP that libtorch itself uses, and not a second one.
        fs::write(lib.join("libgomp.so"), "INPUT(libgomp.so.1)\n")?;
    }
    Ok(())
}
