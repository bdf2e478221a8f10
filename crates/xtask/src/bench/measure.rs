//! One process, from start to end: wall and CPU time and the most memory that it held; and many of them in turn.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;
use std::{fs, mem};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::report::Row;

/// A program that takes part, with what must be so before each of its runs.
pub(crate) struct Contender {
    /// What is to be done, such as `K=4`.
    pub(crate) work: String,
    /// Its name in the tables.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) command: Command,
    /// Files that are read to the end before each run, so that they are in the page cache.
    pub(crate) inputs: Vec<PathBuf>,
    /// Where it writes.
    pub(crate) output: Output,
    /// The name of a second row, for the seconds that the program itself reports in its last line.
    pub(crate) inner: Option<String>,
}

/// The state of a contender's output before each run.
#[derive(Clone)]
pub(crate) enum Output {
    /// Nothing is written.
    None,
    /// A file or folder that is not there.
    Fresh(PathBuf),
    /// A file from an earlier run, written back to the disk.
    Present(PathBuf),
}

/// One run of a process.
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    peak_rss_bytes: u64,
    /// The last line on standard output, where it is JSON.
    said: Value,
}

/// Runs every contender `runs` times, one after the other and over again, so that a bad minute of the machine
/// hits all alike.
///
/// # Errors
/// When a contender fails; the text repeats the end of what it said.
pub(crate) fn in_turn(contenders: &mut [Contender], runs: usize) -> Result<Vec<Row>> {
    let mut measured: Vec<Vec<Run>> = contenders.iter().map(|_| Vec::new()).collect();
    for number in 1..=runs {
        for (contender, measured) in contenders.iter_mut().zip(&mut measured) {
            prepare(contender)?;
            let run = run(&mut contender.command)
                .with_context(|| format!("{}, {}", contender.work, contender.name))?;
            let Contender { work, name, .. } = &contender;
            eprintln!("{work}, run {number} of {runs}: {name} {:.3} s", run.seconds);
            measured.push(run);
        }
    }
    contenders.iter().zip(measured).map(|(contender, runs)| rows(contender, &runs)).try_fold(
        Vec::new(),
        |mut all, rows| {
            all.extend(rows?);
            Ok(all)
        },
    )
}

/// Everything that a contender needs and that is not its own work.
fn prepare(contender: &mut Contender) -> Result<()> {
    match &contender.output {
        Output::None => {}
        Output::Fresh(path) => remove(path)?,
        Output::Present(path) => {
            if !path.exists() {
                run(&mut contender.command)?;
            }
            File::open(path)?.sync_all()?;
        }
    }
    warm(&contender.inputs)
}

/// Removes a file or a folder, if it is there.
///
/// # Errors
/// When it is there and cannot be removed.
pub(crate) fn remove(path: &PathBuf) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Reads files to the end, two at a time.
fn warm(paths: &[PathBuf]) -> Result<()> {
    let (left, right) = paths.split_at(paths.len() / 2);
    thread::scope(|scope| {
        let others = scope.spawn(|| left.iter().try_for_each(read));
        let ours = right.iter().try_for_each(read);
        others.join().map_err(|_| anyhow::anyhow!("the thread that reads inputs died"))?.and(ours)
    })
}

fn read(path: &PathBuf) -> Result<()> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    // Small, because a child's peak memory begins at ours: the kernel counts what it was forked from.
    let mut bytes = vec![0; 256 << 10];
    while file.read(&mut bytes).with_context(|| path.display().to_string())? > 0 {}
    Ok(())
}

fn run(command: &mut Command) -> Result<Run> {
    let mut errors = scratch()?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.try_clone()?);
    let begin = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut said = String::new();
    child.stdout.take().context("standard output was piped")?.read_to_string(&mut said)?;
    let (status, usage) = wait(child.id())?;
    let seconds = begin.elapsed().as_secs_f64();
    if !status.success() {
        let mut words = String::new();
        errors.rewind()?;
        errors.read_to_string(&mut words)?;
        let end = words.lines().rev().take(8).collect::<Vec<_>>();
        let end: Vec<&str> = end.into_iter().rev().collect();
        bail!("ended with {status}: {}", end.join("\n"));
    }
    let time = |it: libc::timeval| it.tv_sec as f64 + it.tv_usec as f64 * 1e-6;
    let said = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
    Ok(Run {
        seconds,
        cpu_seconds: time(usage.ru_utime) + time(usage.ru_stime),
        peak_rss_bytes: u64::try_from(usage.ru_maxrss)? * RSS_UNIT,
        said: said.unwrap_or(Value::Null),
    })
}

/// In what the kernel counts memory: bytes on macOS, KiB elsewhere.
const RSS_UNIT: u64 = if cfg!(target_os = "macos") { 1 } else { 1024 };

/// A nameless file for what a process says on standard error, which a pipe could not hold.
fn scratch() -> Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("xtask-bench-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::options().read(true).write(true).create_new(true).open(&path);
    let file = file.with_context(|| format!("cannot make {}", path.display()))?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Waits for a child and takes its accounts, which `std` does not hand out.
fn wait(child: u32) -> Result<(ExitStatus, libc::rusage)> {
    use std::os::unix::process::ExitStatusExt as _;
    let child = libc::pid_t::try_from(child)?;
    let mut status = 0;
    // SAFETY: rusage is numbers only, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    loop {
        // SAFETY: both pointers are to locals that live across the call; the child is ours and nobody else
        // waits for it, as `Child` reaps nothing when it is dropped.
        let waited = unsafe { libc::wait4(child, &mut status, 0, &mut usage) };
        if waited == child {
            return Ok((ExitStatus::from_raw(status), usage));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error).context("cannot wait for a process");
        }
    }
}

/// A contender's row, and the one for its inner seconds.
fn rows(contender: &Contender, runs: &[Run]) -> Result<Vec<Row>> {
    let of = |measure: fn(&Run) -> f64| runs.iter().map(measure).collect::<Vec<_>>();
    let row = |name: &str, seconds: &[f64]| {
        let cpu = of(|run| run.cpu_seconds);
        let peak = runs.iter().map(|run| run.peak_rss_bytes).max().unwrap_or(0);
        Row::new(&contender.work, name, seconds, &cpu, peak)
    };
    let mut rows = vec![row(&contender.name, &of(|run| run.seconds))];
    if let Some(name) = &contender.inner {
        let inner: Option<Vec<f64>> = runs.iter().map(|run| run.said["seconds"].as_f64()).collect();
        rows.push(row(name, &inner.with_context(|| format!("{name} did not say its seconds"))?));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_run_has_its_accounts_and_its_last_line() {
        let run = run(&mut shell("echo hello; echo '{\"seconds\": 0.5}'")).unwrap();
        assert_eq!(run.said["seconds"], 0.5);
        assert!(run.peak_rss_bytes > 0 && run.seconds >= 0.0 && run.cpu_seconds >= 0.0);
    }

    #[test]
    fn a_failure_repeats_the_last_words() {
        let error = run(&mut shell("echo no luck >&2; exit 3")).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("no luck"), "{error}");
    }

    #[test]
    fn contenders_take_turns_and_have_a_row_each() {
        let contender = |name: &str| Contender {
            work: "K=1".to_owned(),
            name: name.to_owned(),
            command: shell("echo '{\"seconds\": 0.25}'"),
            inputs: Vec::new(),
            output: Output::None,
            inner: Some(format!("{name}, inner")),
        };
        let rows = in_turn(&mut [contender("a"), contender("b")], 3).unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.contender.as_str()).collect();
        assert_eq!(names, ["a", "a, inner", "b", "b, inner"]);
        assert_eq!((rows[3].seconds, rows[3].n), (0.25, 3));
    }
}
