//! Recipes by their commit: clients resolve a revision once, and then ask for the files of its commit.
//!
//! A commit is the beginning of a recipe's digest, from which nothing can be computed back. So the recipes that were asked
//! for last are remembered, in memory and in a file of the store, a line each, which the next start reads. Nothing rests on
//! the file: it is not synced, what of it cannot be read is passed over, and a recipe that was forgotten is found again as soon
//! as somebody asks for its λ.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use potluck_core::Recipe;

use super::revision::Commit;

/// Experts of all recipes that are remembered, some hundred bytes each: less than 8 MiB, and 20 000 soups of three parties.
const REMEMBERED: usize = 1 << 16;

/// The longest file that is read, in bytes: twice what is remembered, with room to spare.
const MAX_FILE: u64 = 64 << 20;

/// The recipes that were asked for last.
#[derive(Debug, Default)]
pub(super) struct Commits(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    recipes: HashMap<Commit, Recipe>,
    /// In the order in which they came.
    order: VecDeque<Commit>,
    /// In all of them.
    experts: usize,
    kept: Option<Kept>,
}

/// The file in which they are kept.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    file: File,
    /// Experts of all lines, those of recipes that were forgotten since among them.
    written: usize,
}

impl Commits {
    /// Those that are kept in a file, which need not be there. Where it cannot be written, they are remembered until the
    /// program ends.
    pub(super) fn kept_in(path: &Path) -> Self {
        let mut known = Known::default();
        let opened = known.read(path).and_then(|()| known.rewrite(path));
        if let Err(error) = opened {
            tracing::warn!(%error, file = %path.display(), "recipes that are asked for are not kept");
        }
        Self(Mutex::new(known))
    }

    /// Remembers a recipe.
    pub(super) fn remember(&self, recipe: &Recipe) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.take(recipe) {
            return;
        }
        if let Err(error) = known.keep(recipe) {
            // Once: what is not kept is not tried again.
            tracing::warn!(%error, "recipes that are asked for are kept no more");
            known.kept = None;
        }
    }

    /// The recipe of a commit, if it was asked for lately.
    pub(super) fn recipe(&self, commit: Commit) -> Option<Recipe> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recipes.get(&commit).cloned()
    }
}

impl Known {
    /// Takes a recipe in; whether it is new.
    fn take(&mut self, recipe: &Recipe) -> bool {
        let commit = Commit::of(recipe.digest());
        if self.recipes.insert(commit, recipe.clone()).is_some() {
            return false;
        }
        self.order.push_back(commit);
        self.experts += recipe.experts().len();
        while self.experts > REMEMBERED {
            let Some(oldest) = self.order.pop_front() else { break };
            let gone = self.recipes.remove(&oldest);
            self.experts -= gone.map_or(0, |gone| gone.experts().len());
        }
        true
    }

    /// Takes in what a file has. A line that a kill tore, or that somebody wrote, is none.
    fn read(&mut self, path: &Path) -> io::Result<()> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file.take(MAX_FILE)).split(b'\n') {
            if let Ok(recipe) = serde_json::from_slice(&line?) {
                self.take(&recipe);
            }
        }
        Ok(())
    }

    /// Writes a line; now and then all of them anew, so that the file has at most twice what is remembered.
    fn keep(&mut self, recipe: &Recipe) -> io::Result<()> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        kept.written += recipe.experts().len();
        if kept.written > 2 * REMEMBERED {
            let path = kept.path.clone();
            return self.rewrite(&path);
        }
        kept.file.write_all(&line(recipe))
    }

    fn rewrite(&mut self, path: &Path) -> io::Result<()> {
        let part = path.with_extension("part");
        let recipes = self.order.iter().filter_map(|commit| self.recipes.get(commit));
        fs::write(&part, recipes.flat_map(line).collect::<Vec<_>>())?;
        fs::rename(&part, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        self.kept = Some(Kept { path: path.to_owned(), file, written: self.experts });
        Ok(())
    }
}

fn line(recipe: &Recipe) -> Vec<u8> {
    let mut line = recipe.canonical();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use potluck_core::Blake3;
    use potluck_core::recipe::Arithmetic;

    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let commits = Commits::default();
        let recipe = |number: usize| {
            let base = Blake3::of(&number.to_le_bytes());
            Recipe::new(Arithmetic::Linear1, base, &"a=1".parse().unwrap(), |_| Some(base)).unwrap()
        };
        for number in 0..=REMEMBERED {
            commits.remember(&recipe(number));
            commits.remember(&recipe(number));
        }
        let known = |number| commits.recipe(Commit::of(recipe(number).digest()));
        assert_eq!(known(0), None);
        assert_eq!(known(1), Some(recipe(1)));
        assert_eq!(commits.0.lock().unwrap().recipes.len(), REMEMBERED);
    }

    #[test]
    fn another_start_knows_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipes.jsonl");
        let [first, second] = [b"a", b"b"].map(|name| {
            let base = Blake3::of(name);
            Recipe::new(Arithmetic::Linear1, base, &"a=1".parse().unwrap(), |_| Some(base)).unwrap()
        });
        let commit = |recipe: &Recipe| Commit::of(recipe.digest());
        let commits = Commits::kept_in(&path);
        commits.remember(&first);
        drop(commits);
        // A kill while a line was written.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"arith").unwrap();
        let commits = Commits::kept_in(&path);
        assert_eq!(commits.recipe(commit(&first)), Some(first.clone()));
        commits.remember(&second);
        commits.remember(&second);
        let commits = Commits::kept_in(&path);
        assert_eq!(
            [&first, &second].map(|it| commits.recipe(commit(it))),
            [Some(first.clone()), Some(second.clone())]
        );
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        // A folder in its place: they are remembered all the same.
        let nowhere = Commits::kept_in(folder.path());
        nowhere.remember(&first);
        assert!(nowhere.recipe(commit(&first)).is_some());
    }
}
