//! Recipes by their commit: clients resolve a revision once, and then ask for the files of its commit.
//!
//! A commit is the beginning of a recipe's digest, from which nothing can be computed back. So the recipes that were asked
//! for last are remembered. One that was forgotten, or that another start of the program knew, is found again as
//! soon as somebody asks for its λ.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use potluck_core::Recipe;

use super::revision::Commit;

/// Experts of all recipes that are remembered, some hundred bytes each: less than 8 MiB, and 20 000 soups of three parties.
const REMEMBERED: usize = 1 << 16;

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
}

impl Commits {
    /// Remembers a recipe.
    pub(super) fn remember(&self, recipe: &Recipe) {
        let commit = Commit::of(recipe.digest());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.recipes.insert(commit, recipe.clone()).is_some() {
            return;
        }
        known.order.push_back(commit);
        known.experts += recipe.experts().len();
        while known.experts > REMEMBERED {
            let Some(oldest) = known.order.pop_front() else { return };
            let gone = known.recipes.remove(&oldest);
            known.experts -= gone.map_or(0, |gone| gone.experts().len());
        }
    }

    /// The recipe of a commit, if it was asked for lately.
    pub(super) fn recipe(&self, commit: Commit) -> Option<Recipe> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recipes.get(&commit).cloned()
    }
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
}
