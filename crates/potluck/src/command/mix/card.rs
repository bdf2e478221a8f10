//! The card of a soup, `README.md`: what it is made of, and how anybody makes it again.
//!
//! It names parties, digests and files of the soup, never a folder of this machine, and no time: two people who make
//! the same soup write the same card.

use std::fmt::Write as _;

use potluck_core::{Blake3, PartyId, Sha256};
use potluck_soup::Formula;
use potluck_soup::method::Weights;

use super::dish::{Adapters, Course, Dish};
use super::lineage::Lineage;
use super::order::decimal;

/// A file of the soup.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Within the soup's folder.
    pub(crate) path: String,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Its BLAKE3, where it was computed.
    pub(crate) blake3: Option<Blake3>,
    /// Its SHA-256, where it was computed.
    pub(crate) sha256: Option<Sha256>,
}

/// What a card speaks of.
#[derive(Debug)]
pub(crate) struct Card<'a> {
    /// What was cooked.
    pub(crate) dish: &'a Dish,
    /// By which weights.
    pub(crate) weights: &'a Weights,
    /// Its formula and the inputs' digests, where they were hashed.
    pub(crate) lineage: Option<(&'a Formula, &'a Lineage)>,
    /// Whether there is a `config.json`.
    pub(crate) is_transformers: bool,
    /// What stands in the folder beside the card.
    pub(crate) files: &'a [Listed],
    /// The flags beside experts and λ by which it is made again.
    pub(crate) flags: &'a str,
}

impl Card<'_> {
    /// The whole text.
    pub(crate) fn text(&self) -> String {
        let mut text = self.front();
        let parties: Vec<_> = self.parties().into_iter().map(PartyId::as_str).collect();
        let _ = write!(
            text,
            "\n# Soup of {}\n\nMixed by Potluck from {} by `{}`.\n",
            listed(&parties),
            self.ingredients(parties.len()),
            self.dish.arithmetic()
        );
        text += &self.experts();
        text += &self.recipe();
        text += &self.files();
        text += &self.again();
        text
    }

    /// What the Hub reads.
    fn front(&self) -> String {
        let library = match self.dish.course {
            Course::Adapter(_) => "library_name: peft\n",
            _ if self.is_transformers => "library_name: transformers\n",
            _ => "",
        };
        let base =
            self.dish.hub_base().map_or(String::new(), |base| format!("base_model: {base}\n"));
        format!("---\n{library}{base}tags:\n- merge\n- potluck\n---\n")
    }

    fn parties(&self) -> Vec<&PartyId> {
        let active = self.dish.method.active(self.weights);
        self.dish.experts.iter().map(|it| &it.party).filter(|it| active.contains(*it)).collect()
    }

    fn ingredients(&self, count: usize) -> &'static str {
        match (self.dish.course, count) {
            (Course::Model, 1) => "one model",
            (Course::Model, _) => "models",
            (Course::Adapter(Adapters::Linear), _) => "adapters, without loss",
            (Course::Adapter(Adapters::Factors), _) => "adapters, factor by factor",
            (Course::Merged, _) => "a base and adapters",
        }
    }

    fn experts(&self) -> String {
        let mut text = "\n| expert | weight | manifest (BLAKE3) |\n|---|---|---|\n".to_owned();
        for party in self.parties() {
            let ppm = self.weights.ppm().get(party).copied();
            let weight = ppm.map_or("by group".to_owned(), decimal);
            let manifest = self.lineage.and_then(|(_, lineage)| lineage.manifest(party));
            let manifest = manifest.map_or("not digested".to_owned(), |it| format!("`{it}`"));
            let _ = writeln!(text, "| {party} | {weight} | {manifest} |");
        }
        text
    }

    fn recipe(&self) -> String {
        match self.lineage {
            Some((formula, _)) => format!(
                "\n## Recipe\n\nBLAKE3 of this text is `{}`, which stands in the header of each file of weights:\n\n    {}\n",
                formula.digest(),
                String::from_utf8_lossy(&formula.canonical())
            ),
            None => {
                "\nThe inputs were not digested, so no recipe names them; `--lineage` does that.\n"
                    .to_owned()
            }
        }
    }

    fn files(&self) -> String {
        let is_hashed = self.files.iter().any(|file| file.sha256.is_some());
        let (head, line) = if is_hashed { (" SHA-256 |", "---|") } else { ("", "") };
        let mut text =
            format!("\n## Files\n\n| file | bytes | BLAKE3 |{head}\n|---|---:|---|{line}\n");
        for file in self.files {
            let digest =
                |digest: Option<String>| digest.map_or(String::new(), |it| format!("`{it}`"));
            let blake3 = digest(file.blake3.map(|it| it.to_string()));
            let _ = write!(text, "| {} | {} | {blake3} |", file.path, file.size);
            if is_hashed {
                let _ = write!(text, " {} |", digest(file.sha256.map(|it| it.to_string())));
            }
            text.push('\n');
        }
        text
    }

    /// The command, with names where this machine's folders stood.
    fn again(&self) -> String {
        let mut command = "potluck mix".to_owned();
        for party in self.parties() {
            let _ = write!(command, " --expert {party}=PATH");
        }
        if !self.weights.ppm().is_empty() {
            let active = self.parties();
            let named = self.weights.ppm().iter().filter(|(party, _)| active.contains(party));
            let named = named.map(|(party, ppm)| format!("{party}={}", decimal(*ppm)));
            let _ = write!(command, " --lambda {}", named.collect::<Vec<_>>().join(","));
        }
        format!(
            "\n## Make it again\n\n    {command}{} --out soup\n\nThe same inputs give the same bytes on any machine.\n",
            self.flags
        )
    }
}

fn listed(parties: &[&str]) -> String {
    match parties {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}
