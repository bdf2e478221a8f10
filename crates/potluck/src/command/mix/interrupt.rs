//! Ctrl-C while a soup is made: what has grown so far is removed, and the process ends.
//!
//! A kill leaves it, hidden, for the next soup of that name to remove; somebody at a keyboard should get the room
//! back at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::{process, thread};

use tokio::signal::unix::{SignalKind, signal};

use super::staging::{is_number, parent_of};
use crate::failure::{Failure, Kind};
use crate::output::Output;

/// How often a folder is removed again in which a thread has just begun another file.
const ATTEMPTS: usize = 3;

/// Watches for Ctrl-C until the process ends. Where that cannot be done, Ctrl-C is a kill.
pub(crate) fn watch(target: &Path, output: &Output) {
    let (target, output) = (target.to_owned(), *output);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let Ok(runtime) = builder.enable_all().build() else { return };
    // From here on, and not only once the thread below runs, Ctrl-C is no kill.
    let entered = runtime.enter();
    let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return };
    drop(entered);
    // Nobody joins it: it waits for what usually never comes, and holds nothing.
    thread::spawn(move || {
        if runtime.block_on(interrupts.recv()).is_some() {
            remove_ours(&target);
            let failure =
                Failure::new(Kind::Interrupted, "interrupted", "interrupted; nothing is left");
            let _ = output.fail(&failure);
            process::exit(Kind::Interrupted as i32);
        }
    });
}

/// Removes the hidden files and folders that this process makes beside `target`.
fn remove_ours(target: &Path) {
    for _ in 0..ATTEMPTS {
        for part in ours(target) {
            // What is left is for the next soup of that name.
            let _ = fs::remove_dir_all(&part).or_else(|_| fs::remove_file(&part));
        }
    }
}

fn ours(target: &Path) -> Vec<PathBuf> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let (prefix, process) = (format!(".{name}."), format!("{}-", process::id()));
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".part"));
        number.is_some_and(|number| number.starts_with(&process) && is_number(number))
    };
    let entries = fs::read_dir(parent_of(target)).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).filter(is_ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_process_makes_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("soup");
        let ours = home.path().join(format!(".soup.{}-3.part", process::id()));
        fs::create_dir(&ours).unwrap();
        fs::write(ours.join("file"), "").unwrap();
        let file = home.path().join(format!(".soup.{}-4.part", process::id()));
        let others = [".soup.1-0.part", ".soup2.1-0.part", "soup"].map(|it| home.path().join(it));
        for path in others.iter().chain([&file]) {
            fs::write(path, "").unwrap();
        }
        remove_ours(&target);
        assert!(!ours.exists() && !file.exists());
        assert!(others.iter().all(|path| path.exists()));
    }
}
