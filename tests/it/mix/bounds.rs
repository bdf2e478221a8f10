//! Whole or not at all: no room, a kill in the middle; and memory that does not grow with the model.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::model::write_sparse;
use support::programs::{bin_dir, end, program};
use support::waiting;

use super::{Home, names};

const MIB: u64 = 1 << 20;

/// Folders `a` and `b`, each of 256 MiB that take no room.
fn large() -> Home {
    let home = Home::new();
    for name in ["a", "b"] {
        fs::create_dir(home.path(name)).unwrap();
        write_sparse(&home.path(name).join("model.safetensors"), 8, 32 * MIB).unwrap();
    }
    home
}

/// A shell that limits what its command may use, and then becomes it.
fn limited(limits: &str, args: &[String]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{limits}; exec \"$0\" \"$@\"");
    command.arg("-c").arg(script).arg(bin_dir().join("potluck")).args(args);
    command
}

fn mix(home: &Home, out: &str) -> Vec<String> {
    let path = |name: &str| home.path(name).display().to_string();
    let lambda = format!("{}=0.5,{}=0.5", path("a"), path("b"));
    ["mix", "--lambda", &lambda, "--out", &path(out), "--threads", "1", "--json"]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn a_file_that_grows_too_large_leaves_nothing() {
    let home = large();
    for out in ["soup", "soup.safetensors"] {
        // As a full disk: the writes fail. (The signal that goes with this limit is ignored.)
        let ended = end(limited("trap '' XFSZ; ulimit -f 1000", &mix(&home, out)));
        assert_eq!((ended.code, &*ended.error_code()), (Some(1), "local-failure"), "{ended:?}");
        assert_eq!(home.names(), ["a", "b"]);
        // As a kill: the signal ends the process.
        let ended = end(limited("ulimit -f 1000; ulimit -c 0", &mix(&home, out)));
        assert_eq!(ended.code, None, "{ended:?}");
        assert!(!home.path(out).exists());
        let ended = end(limited("true", &mix(&home, out)));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(home.names(), ["a", "b", out]);
        let _ = fs::remove_dir_all(home.path(out)).or_else(|_| fs::remove_file(home.path(out)));
    }
}

#[test]
fn a_kill_in_the_middle_leaves_nothing_under_the_name() {
    let home = large();
    let mut child = start(&mix(&home, "soup"));
    let grows = || names(&home.path("")).iter().any(|name| name.starts_with(".soup."));
    waiting::until(|| (grows() || has_ended(&mut child)).then_some(())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Unless it was faster than we were.
    if !home.path("soup").exists() {
        assert!(grows());
        let ended = end(limited("true", &mix(&home, "soup")));
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert_eq!(home.names(), ["a", "b", "soup"]);
}

#[test]
fn ctrl_c_takes_what_has_grown_so_far_with_it() {
    let home = large();
    for out in ["soup", "soup.safetensors"] {
        let mut child = start(&mix(&home, out));
        let grows = || names(&home.path("")).iter().any(|name| name.starts_with(".soup"));
        waiting::until(|| (grows() || has_ended(&mut child)).then_some(())).unwrap();
        let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(interrupted.is_ok());
        let status = waiting::until(|| child.try_wait().unwrap()).unwrap();
        // Unless it was faster than we were.
        if status.success() {
            assert_eq!(home.names(), ["a", "b", out]);
            let _ = fs::remove_dir_all(home.path(out)).or_else(|_| fs::remove_file(home.path(out)));
        } else {
            // 1 where the write found its file gone before the process ended.
            assert!(matches!(status.code(), Some(130 | 1)), "{status}");
            assert_eq!(home.names(), ["a", "b"]);
        }
    }
}

fn start(args: &[String]) -> Child {
    let mut command = program("potluck");
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().is_ok_and(|ended| ended.is_some())
}

/// The most memory that a process ever had in core, in bytes, as far as it can be seen.
fn peak(child: u32) -> Option<u64> {
    let status =
        fs::read_to_string(Path::new("/proc").join(child.to_string()).join("status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// A folder where reading what was never written costs nothing, if the system has one: no cache is filled by it.
fn in_memory() -> Home {
    Home(tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap()))
}

/// Digests a soup of so many sparse files under a limit of 128 MiB and says how much memory it took.
fn digest(files: usize, tensors: u64, bytes: u64) -> u64 {
    let home = in_memory();
    let lambda: Vec<_> = (0..files)
        .map(|number| {
            let path = home.path(&format!("e{number:02}.safetensors"));
            write_sparse(&path, tensors, bytes).unwrap();
            format!("{}={}", path.display(), 1_000_000 / files)
        })
        .collect();
    let args = ["mix", "--lambda", &lambda.join(","), "--no-output", "--no-hash", "--threads", "2"];
    let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let mut command = limited("ulimit -d 131072", &args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut highest = 0;
    let status = waiting::until(|| {
        highest = highest.max(peak(child.id()).unwrap_or(0));
        child.try_wait().unwrap()
    });
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    highest
}

#[test]
fn memory_does_not_grow_with_the_model() {
    // 40 GB in four files, and sixteen smaller ones.
    let four = digest(4, 100, 100_000_000);
    let sixteen = digest(16, 8, 16_000_000);
    assert!(four > 0 && four <= 64 * MIB, "{} MiB", four / MIB);
    assert!(sixteen > 0 && sixteen <= 64 * MIB, "{} MiB", sixteen / MIB);
}
